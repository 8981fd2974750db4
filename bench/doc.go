// Package bench loads a running server with event streams and measures what
// comes of it: it is the engine of `hullbeam bench`. It knows the server from
// outside only, by HTTP and by what /proc says about its processes, so that the
// same measurements hold for any version, and for another server where the
// protocol is the same.
//
// Streams are opened and read by a few epoll loops, with one small struct a
// stream and no buffer while it is silent. Latency is counted from the moment
// that something was due, not from the moment that it was sent, so that a server
// which makes the load generator wait does not look better for it (coordinated
// omission).
//
// It needs Linux. Elsewhere it compiles, and New says so.
package bench
