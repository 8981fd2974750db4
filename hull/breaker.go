package hull

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// breakerFailures is how many requests in a row must fail before a host is
	// left alone, breakerRest for how long. Then one request tries.
	breakerFailures = 10
	breakerRest     = 10 * time.Second

	// breakerHosts bounds the hosts that are remembered. Organizations are as
	// many as connectors at most.
	breakerHosts = 1000
)

// errResting comes with ErrUnavailable for a host that is left alone.
var errResting = errors.New("has failed too often")

type breaker = gobreaker.CircuitBreaker[[]byte]

// breakers are one circuit breaker for each host. The zero value has none yet.
type breakers struct {
	mu    sync.Mutex
	hosts map[string]*breaker
}

// of returns the breaker of a host. When there are too many it forgets one of
// the others, which only costs that host's count of failures.
func (b *breakers) of(host string) *breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	if found, ok := b.hosts[host]; ok {
		return found
	}
	if b.hosts == nil {
		b.hosts = make(map[string]*breaker)
	}
	for other := range b.hosts {
		if len(b.hosts) < breakerHosts {
			break
		}
		delete(b.hosts, other)
	}
	made := gobreaker.NewCircuitBreaker[[]byte](gobreaker.Settings{
		Timeout:     breakerRest,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		// A 404 or a refusal says that the host is well.
		IsSuccessful: func(err error) bool { return !errors.Is(err, ErrUnavailable) },
	})
	b.hosts[host] = made
	return made
}

// do does something that a host is asked for, unless the host is left alone: then the
// error wraps ErrUnavailable and errResting.
func (b *breakers) do(host string, ask func() ([]byte, error)) ([]byte, error) {
	answer, err := b.of(host).Execute(ask)
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, fmt.Errorf("%w: %s %w", ErrUnavailable, host, errResting)
	}
	return answer, err
}
