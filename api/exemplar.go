package api

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarOf says in metrics which request something came from: by its trace, when there is one. nil: none is known.
func exemplarOf(ctx context.Context) prometheus.Labels {
	if id := traceID(ctx); id != "" {
		return prometheus.Labels{"trace_id": id}
	}
	if id, _ := ctx.Value(requestIDContext{}).(string); id != "" {
		return prometheus.Labels{requestIDKey: id}
	}
	return nil
}

// observe enters a value with an exemplar, if there is one.
func observe(h prometheus.Observer, value float64, exemplar prometheus.Labels) {
	if exemplar == nil {
		h.Observe(value)
		return
	}
	h.(prometheus.ExemplarObserver).ObserveWithExemplar(value, exemplar)
}
