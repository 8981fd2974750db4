package bench_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// visits are the page views of a fake, and the operators who look.
type visits struct {
	pages     map[string][]string // addresses by visitor
	operators []chan string
	told      int
}

func (f *fake) visitors(mux *http.ServeMux) {
	f.visits.pages = map[string][]string{}
	mux.HandleFunc("POST /api/v1/pages", f.page)
	mux.HandleFunc("GET /api/v1/connectors/demo/visitors/{visitor}/pages", f.timeline)
	mux.HandleFunc("GET /api/v1/connectors/demo/visitors/{visitor}/pages/summary", func(w http.ResponseWriter, r *http.Request) { f.operator(r) })
	mux.HandleFunc("GET /api/v1/connectors/demo/live", f.live)
	for _, list := range []string{"visitors", "audit"} {
		mux.HandleFunc("GET /api/v1/connectors/demo/"+list, func(w http.ResponseWriter, r *http.Request) { f.operator(r) })
	}
	mux.HandleFunc("POST /api/v1/offers/{id}/receipt", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
}

// page takes a view; with the fault lose not each. With old operators are told of the first
// alone, with back also of one that was long before.
func (f *fake) page(w http.ResponseWriter, r *http.Request) {
	var body struct{ Token, URL, View string }
	f.decode(r, &body)
	visitor := "v_" + strings.TrimPrefix(body.Token, "anonymous_id:")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == "refuse" {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	f.visits.told++
	if f.fault == "lose" && f.visits.told%3 == 0 {
		return
	}
	pages := append(f.visits.pages[visitor], body.URL)
	f.visits.pages[visitor] = pages
	is := pages[len(pages)-1]
	switch n := len(pages); {
	case f.fault == "old":
		is = pages[0]
	case f.fault == "back" && n > 2 && n%2 == 0:
		is = pages[n-3]
	}
	for _, o := range f.visits.operators {
		o <- fmt.Sprintf("event: visitor.page\ndata: {\"visitor\":%q,\"page\":{\"url\":%q}}\n\n", visitor, is)
	}
}

func (f *fake) timeline(w http.ResponseWriter, r *http.Request) {
	f.operator(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	pages := slices.Clone(f.visits.pages[r.PathValue("visitor")])
	slices.Reverse(pages)
	from, _ := strconv.Atoi(r.FormValue("cursor"))
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	list := map[string]any{"items": pages[from:min(from+limit, len(pages))]}
	if from+limit < len(pages) {
		list["next_cursor"] = strconv.Itoa(from + limit)
	}
	json.NewEncoder(w).Encode(list)
}

func (f *fake) live(w http.ResponseWriter, r *http.Request) {
	f.operator(r)
	events := make(chan string, 10000)
	f.mu.Lock()
	f.visits.operators = append(f.visits.operators, events)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	to, flush := io.Writer(w), http.NewResponseController(w).Flush
	if r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		to, flush = zip, func() error { zip.Flush(); return http.NewResponseController(w).Flush() }
	}
	events <- "event: live.ready\ndata: {\"live\":0}\n\n"
	for {
		select {
		case e := <-events:
			if _, err := io.WriteString(to, e); err != nil || flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
