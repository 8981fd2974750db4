package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/semaphore"

	"hullbeam/hull"
)

const (
	// intakeWait is how long a notification waits for room: Hull gives up after 25 s
	// (docs/hull-protocol.md 2.10), and has to be answered by then.
	intakeWait = 5 * time.Second

	// intakeStart are the bytes of a body that come before it takes room, and
	// intakeGrowth how many times as much room it takes as has come: whoever wants to
	// keep others out has to send what fills it.
	intakeStart, intakeGrowth = 4 << 10, 16
)

// intake bounds the bodies that are being worked on, in bytes: what is above is asked
// for again later, rather than taken in and not kept.
type intake struct {
	room *semaphore.Weighted
	body int64         // the longest that is read
	wait time.Duration // for room
	met  func(limit)
}

func newIntake(bytes, body int64, met func(limit)) *intake {
	return &intake{semaphore.NewWeighted(max(bytes, body)), body, intakeWait, met}
}

// read reads a notification's body as there is room for it, which leave gives back,
// also after an error. Errors: hull.ErrEntityTooLarge; hull.ErrOverloaded, there is no
// room; hull.ErrMissingNotification, it did not arrive.
func (i *intake) read(c *gin.Context) (body []byte, leave func(), err error) {
	taken := int64(0)
	leave = func() { i.room.Release(taken) }
	length := c.Request.ContentLength // below 0: not known
	if length > i.body {
		leaveBody(c)
		i.met(limitNotificationBody)
		return nil, leave, hull.ErrEntityTooLarge
	}
	from := http.MaxBytesReader(c.Writer, c.Request.Body, i.body)
	for {
		if len(body) == cap(body) {
			room := i.next(int64(len(body)), length)
			if len(body) > 0 {
				if !i.take(c.Request.Context(), room-taken) {
					i.met(limitNotificationMemory)
					return nil, leave, hull.ErrOverloaded
				}
				taken = room
			}
			body = append(make([]byte, 0, room+1), body...) // one more, in which nothing comes, shows the end
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			err = bodyError(err)
			if errors.Is(err, hull.ErrEntityTooLarge) {
				i.met(limitNotificationBody)
			}
			return body, leave, err
		}
	}
}

// next is how long a body of that length may be after so much of it.
func (i *intake) next(come, length int64) int64 {
	room := min(max(intakeStart, come*intakeGrowth), i.body)
	if length >= 0 {
		room = min(room, length)
	}
	return room
}

// take waits for room.
func (i *intake) take(ctx context.Context, bytes int64) bool {
	if i.room.TryAcquire(bytes) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, i.wait)
	defer cancel()
	return i.room.Acquire(ctx, bytes) == nil
}

// bodyError is nil at the end of a body.
func bodyError(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hull.ErrEntityTooLarge
	}
	return hull.ErrMissingNotification
}
