package stream

import (
	"bufio"
	"net/http"
	"strings"
	"unsafe"
)

// SocketSize is what the reactor keeps for a stream that is not blocked.
const SocketSize = unsafe.Sizeof(socket{})

// ReadAsListener is the request that a listener takes of text; nil: it takes none.
func ReadAsListener(path, text string) *http.Request {
	l := &listener{prefix: []byte("GET " + path)}
	if !l.isOurs([]byte(text)) {
		return nil
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil || !plain(r) {
		return nil
	}
	return r
}
