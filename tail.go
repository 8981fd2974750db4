package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/r3labs/sse/v2"
	"github.com/spf13/cobra"
)

// tailOptions are the flags of tail.
type tailOptions struct {
	visitorFlags
	token       string
	lastEventID string
	count       int
	raw         bool
}

func tailCommand(std stdio) *cobra.Command {
	o := tailOptions{}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Open an event stream, as a page would, and print it",
		Long: `Get a token, open the event stream of a visitor, as a page would, and print each
event: time, type, id and data. When the server ends the stream tail opens it
again, with the id of the last event, until it is stopped.

Without claims it is the demonstration visitor of development mode.`,
		Example: `  hullbeam tail --anonymous-id 8a1c5f0e-2b0d-4c57-9b1e-6f3c1f1a7d42
  hullbeam tail --count 3 --data`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.count < 0 {
				return usage(fmt.Errorf("--count: %d is out of range: 0 or more", o.count))
			}
			return tail(cmd.Context(), o, std.out)
		},
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.token, "token", "", "use this token instead of asking for one")
	f.StringVar(&o.lastEventID, "last-event-id", "", "continue after this event")
	f.IntVar(&o.count, "count", 0, "stop after so many events, heartbeats not counted; 0: never")
	f.BoolVar(&o.raw, "data", false, "print the data alone, one event a line, heartbeats not at all")
	return cmd
}

// errTailed ends tail when it has printed what was asked for.
var errTailed = errors.New("enough events")

func tail(ctx context.Context, o tailOptions, out io.Writer) error {
	t := &tailer{tailOptions: o, out: out}
	for {
		wait, err := t.stream(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, errTailed):
			return nil
		case err != nil:
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// tailer prints streams one after the other.
type tailer struct {
	tailOptions
	out     io.Writer
	printed int
	wait    time.Duration // before the next stream, as the server said
}

// stream prints one stream to its end.
func (t *tailer) stream(ctx context.Context) (wait time.Duration, err error) {
	token := t.token
	if token == "" {
		if token, err = t.ask(ctx); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.wait = time.Second
	client := sse.NewClient(strings.TrimRight(t.url, "/")+"/api/v1/stream?token="+url.QueryEscape(token), sse.ClientMaxBufferSize(1<<20))
	client.Headers["Origin"], err = t.pageOrigin()
	if err != nil {
		return 0, err
	}
	client.LastEventID.Store([]byte(t.lastEventID))
	client.ReconnectStrategy = once{}
	client.ResponseValidator = opened
	err = client.SubscribeRawWithContext(ctx, func(e *sse.Event) {
		if t.print(e) {
			cancel(errTailed)
		}
	})
	if context.Cause(ctx) != nil {
		return 0, context.Cause(ctx)
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		return 0, refused
	}
	return t.wait, nil // a stream that ended or broke is opened again
}

// ask asks for a token.
func (t *tailer) ask(ctx context.Context) (string, error) {
	body, err := t.visitorFlags.token(ctx)
	if err != nil {
		return "", err
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return answer.Token, nil
}

// print prints an event and tells whether it was the last to be printed.
func (t *tailer) print(e *sse.Event) (last bool) {
	kind := string(e.Event)
	if len(e.ID) > 0 {
		t.lastEventID = string(e.ID)
	}
	if kind == "close" {
		var said struct {
			In int64 `json:"reconnect_in_ms"`
		}
		if json.Unmarshal(e.Data, &said) == nil {
			t.wait = time.Duration(said.In) * time.Millisecond
		}
	}
	switch {
	case !t.raw:
		fmt.Fprintf(t.out, "%s  %-12s %-28s %s\n", time.Now().Format("15:04:05.000"), kind, e.ID, e.Data)
	case kind != "heartbeat":
		fmt.Fprintf(t.out, "%s\n", e.Data)
	}
	if kind != "heartbeat" {
		t.printed++
	}
	return t.count > 0 && t.printed >= t.count
}

// refusal is an answer that is no event stream.
type refusal struct{ status, body string }

func (r *refusal) Error() string { return "no stream: " + r.status + " " + r.body }

func opened(_ *sse.Client, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	return &refusal{res.Status, string(bytes.TrimSpace(body))}
}

// once is a back-off that never tries again: tail decides itself.
type once struct{}

func (once) NextBackOff() time.Duration { return -1 }
func (once) Reset()                     {}
