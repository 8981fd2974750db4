package api

import (
	"github.com/prometheus/client_golang/prometheus"
)

// event is something that happens on the way from an identifier or a
// notification to a page. The names are those of the predecessors' logs, which
// people know (docs/metrics.md): their documented ones and the ones that they
// really wrote.
type event int

const (
	boot event = iota
	started
	listen
	connectionStart
	connectionError
	connectionCheck
	connectionSuccess
	joinChannel
	joinRoom
	fetchStart
	fetchSuccess
	fetchError
	outgoingFetchError
	userStart
	userFailed
	outgoingStart
	outgoingSkip
	outgoingSend
	outgoingSuccess
	outgoingError
	notifierHandler
	notifierProcess
	notifierResponse
	notifierError
	connectorRequest
	connectorTransientError
	clientFail
	clientTimeout
	eventCount
)

var eventNames = [eventCount]string{
	boot:                    "hull-browser.boot",
	started:                 "hull-browser.started",
	listen:                  "connector.server.listen",
	connectionStart:         "incoming.connection.start",
	connectionError:         "incoming.connection.error",
	connectionCheck:         "incoming.connection.check",
	connectionSuccess:       "incoming.connection.success",
	joinChannel:             "incoming.user.join-channel",
	joinRoom:                "incoming.user.joinRoom",
	fetchStart:              "incoming.user.fetch.start",
	fetchSuccess:            "incoming.user.fetch.success",
	fetchError:              "incoming.user.fetch.error",
	outgoingFetchError:      "outgoing.user.fetch.error",
	userStart:               "incoming.user.start",
	userFailed:              "incoming.user.error",
	outgoingStart:           "outgoing.user.start",
	outgoingSkip:            "outgoing.user.skip",
	outgoingSend:            "outgoing.user.send",
	outgoingSuccess:         "outgoing.user.success",
	outgoingError:           "outgoing.user.error",
	notifierHandler:         "connector.smartNotifierHandler",
	notifierProcess:         "connector.smartNotifierHandler.process",
	notifierResponse:        "connector.smartNotifierHandler.response",
	notifierError:           "connector.smartNotifierHandler.error",
	connectorRequest:        "connector.request",
	connectorTransientError: "connector.transient_error",
	clientFail:              "client.fail",
	clientTimeout:           "client.timeout",
}

// events counts what happens.
type events struct {
	vec      *prometheus.CounterVec
	counters [eventCount]prometheus.Counter
}

func newEvents() *events {
	e := &events{vec: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hullbeam_tracked_events_total",
		Help: "What happened on the way from an identifier or a notification to a page, by the predecessors' event names, counted when it happens.",
	}, []string{"event"})}
	for i, name := range eventNames {
		e.counters[i] = e.vec.WithLabelValues(name)
	}
	return e
}

// track counts events that happened just now.
func (s *Server) track(happened ...event) {
	for _, e := range happened {
		s.events.counters[e].Inc()
	}
}
