//go:build unix

package fronttest

import (
	"compress/gzip"
	"io"
	"net/http"
)

// plain is the body of an answer without the gzip that a proxy may have put around it.
func plain(res *http.Response) io.Reader {
	if res.Header.Get("Content-Encoding") == "gzip" {
		return &gunzipped{from: res.Body}
	}
	return res.Body
}

// gunzipped reads the head of what is compressed when it is read first: it may come late.
type gunzipped struct {
	from io.Reader
	zip  *gzip.Reader
}

func (g *gunzipped) Read(b []byte) (n int, err error) {
	if g.zip == nil {
		if g.zip, err = gzip.NewReader(g.from); err != nil {
			return 0, err
		}
	}
	return g.zip.Read(b)
}
