package stream

import (
	"bytes"
	"net/http"
	"strconv"

	"golang.org/x/sys/unix"
)

// response is the answer to a request for a stream: the connection for who takes
// it, or else a whole response.
type response struct {
	fd     int // -1: taken
	header http.Header
	status int // 0: not set yet
	body   bytes.Buffer
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// take gives the connection away.
func (w *response) take() (fd int) {
	fd, w.fd = w.fd, -1
	return fd
}

// end sends what was written, unless the connection was taken. A page that asks
// for a stream and is refused has next to nothing to be told: what the system
// does not take at once is lost.
func (w *response) end() {
	if w.fd < 0 {
		return
	}
	defer unix.Close(w.fd)
	if w.status == 0 {
		return
	}
	var junk [1024]byte
	unix.Read(w.fd, junk[:]) // closing with something unread would take back what was written
	w.header.Set("Content-Length", strconv.Itoa(w.body.Len()))
	send(int32(w.fd), append(headOf(w.status, w.header), w.body.Bytes()...))
}

// responseOf finds the response behind what middleware wraps it in.
func responseOf(w http.ResponseWriter) *response {
	for {
		switch v := w.(type) {
		case *response:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}
