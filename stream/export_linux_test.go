package stream

import "unsafe"

// SocketSize is what the reactor keeps for a stream that is not blocked.
const SocketSize = unsafe.Sizeof(socket{})
