package hull

import (
	"context"
	"fmt"
)

// lookupQueue is how many look-ups may wait for a place. At sixteen places and
// 50 ms a look-up, more would not get one in time.
const lookupQueue = 1000

// connectorPlaces is how many questions about connectors run at a time: they come with
// notifications, a few a minute, and have no part in the places of look-ups, so that
// neither waits for the other.
const connectorPlaces = 4

// gate lets so many through at a time; some more wait, the rest is turned away.
type gate struct {
	inside  chan struct{} // as many as are let through
	present chan struct{} // those and the waiting
}

func newGate(places int) gate {
	return gate{make(chan struct{}, places), make(chan struct{}, places+lookupQueue)}
}

// enter waits for a place until ctx ends. ErrBusy: there is none, or no place to
// wait. After nil, leave must be called.
func (g gate) enter(ctx context.Context) error {
	select {
	case g.present <- struct{}{}:
	default:
		return ErrBusy
	}
	select {
	case g.inside <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-g.present
		return fmt.Errorf("%w: no place in time", ErrBusy)
	}
}

func (g gate) leave() {
	<-g.inside
	<-g.present
}
