// Command floor is an event stream server of net/http alone, as one writes it in
// an hour: what Hullbeam costs and gains is told against it. It serves nothing
// but measurements: see the README beside package bench.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"sync"
)

// hub has the streams by topic. A stream that is too slow for its queue is closed.
type hub struct {
	mu     sync.RWMutex
	topics map[string]map[chan []byte]struct{}
}

func (h *hub) add(topic string, events chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics[topic] == nil {
		h.topics[topic] = map[chan []byte]struct{}{}
	}
	h.topics[topic][events] = struct{}{}
}

// remove takes a stream out, and tells whether it was still in.
func (h *hub) remove(topic string, events chan []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, in := h.topics[topic][events]
	delete(h.topics[topic], events)
	if len(h.topics[topic]) == 0 {
		delete(h.topics, topic)
	}
	return in
}

func (h *hub) stream(w http.ResponseWriter, r *http.Request) {
	topic, events := r.FormValue("topic"), make(chan []byte, 64)
	h.add(topic, events)
	defer h.remove(topic, events)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case event, ok := <-events:
			if !ok {
				return
			}
			if _, err := w.Write(event); err != nil || flusher.Flush() != nil {
				return
			}
		}
	}
}

func (h *hub) publish(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	event := append(append([]byte("data: "), body...), "\n\n"...)
	topic := r.URL.Query().Get("topic")
	var slow []chan []byte
	h.mu.RLock()
	for events := range h.topics[topic] {
		select {
		case events <- event:
		default:
			slow = append(slow, events)
		}
	}
	h.mu.RUnlock()
	for _, events := range slow {
		if h.remove(topic, events) {
			close(events)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	address := flag.String("listen", "127.0.0.1:9040", "the address to listen on")
	flag.Parse()
	h := &hub{topics: map[string]map[chan []byte]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /s", h.stream)
	mux.HandleFunc("POST /pub", h.publish)
	log.Fatal((&http.Server{Addr: *address, Handler: mux}).ListenAndServe())
}
