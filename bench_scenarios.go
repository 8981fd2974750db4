package main

import (
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"hullbeam/bench"
)

func benchHold(std stdio) *cobra.Command {
	b, h := &benchFlags{}, &bench.Hold{}
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Open streams step by step and hold them: memory per stream",
		Long: `Open streams step by step, each with a token of its own, and hold each step.
Tells connects a second, what a stream takes of memory (the slope between the
first and the last step, and from before the first), and the CPU of silence.`,
		Example: `  hullbeam bench hold --streams 2000,10000,18000 --hold 20s --json hold.json --plot hold.svg`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *h, std)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addPlain(f)
	f.IntSliceVar(&h.Steps, "streams", []int{2000, 10000, 18000}, "streams of each step")
	f.DurationVar(&h.Hold, "hold", 5*time.Second, "how long each step is held")
	return cmd
}

func benchFanout(std stdio) *cobra.Command {
	b, s := &benchFlags{}, &bench.Fanout{}
	cmd := &cobra.Command{
		Use:   "fanout",
		Short: "Send messages to many streams of one topic",
		Long: `Open streams of one topic and send offers to it. Without --interval the next
leaves when the one before was answered, which tells the most deliveries a second;
with it, latency at a pace that the server can keep.`,
		Example: `  hullbeam bench fanout --streams 10000 --messages 50
  hullbeam bench fanout --streams 10000 --messages 50 --interval 300ms`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *s, std, b.operator)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addPlain(f)
	f.IntVar(&s.Streams, "streams", 10000, "streams of the topic")
	f.IntVar(&s.Messages, "messages", 50, "offers that are sent")
	f.IntVar(&s.Size, "size", 256, "bytes of payload of each")
	f.DurationVar(&s.Interval, "interval", 0, "time between two offers; 0: the next when the one before was answered")
	return cmd
}

func benchUnicast(std stdio) *cobra.Command {
	b, s := &benchFlags{}, &bench.Unicast{}
	cmd := &cobra.Command{
		Use:   "unicast",
		Short: "Send updates of many users, each to its own stream, at a rate",
		Long: `Open streams, each of a user of its own, and send updates of the users at a rate,
whether the server keeps up or not. An update is counted from when it was due to
the arrival of it or of a newer one of its user: the server conflates. Lost is a
stream that did not get the latest state.

--search looks for the highest rate with nothing lost and p99 below --p99.`,
		Example: `  hullbeam bench unicast --streams 10000 --rate 2000
  hullbeam bench unicast --streams 10000 --rate 2000 --search --p99 100ms --json unicast.json
  hullbeam bench unicast --streams 10000 --rate 1000 --via users --batch 1`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.Via == bench.ViaUsers {
				return b.run(cmd.Context(), *s, std, b.operator)
			}
			return b.run(cmd.Context(), *s, std, b.signed)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addSigned(f)
	f.IntVar(&s.Streams, "streams", 10000, "streams, each of a user of its own")
	f.Float64Var(&s.Rate, "rate", 1000, "messages a second; with --search the first that is tried")
	f.DurationVar(&s.Duration, "duration", 5*time.Second, "how long is sent at a rate")
	f.BoolVar(&s.Search, "search", false, "look for the highest rate that passes")
	f.DurationVar(&s.P99, "p99", 100*time.Millisecond, "what the 99th of 100 updates may take for a rate to pass")
	f.StringVar(&s.Via, "via", bench.ViaNotifications, "how updates are sent: notifications, signed as Hull's, or users, the operators' route")
	f.IntVar(&s.Batch, "batch", 100, "messages of a request, each of another user; they are due together")
	f.IntVar(&s.Size, "size", 256, "bytes of payload of a message")
	f.IntVar(&s.Connections, "connections", 16, "requests on their way at a time, at most")
	f.BoolVar(&s.NewUsers, "new-users", false, "measure with users whom the server has not seen before, in place of sending each once first")
	return cmd
}

func benchNotifications(std stdio) *cobra.Command {
	b, s := &benchFlags{}, &bench.Notifications{}
	cmd := &cobra.Command{
		Use:   "notifications",
		Short: "Send notifications as fast as they are answered",
		Long: `Open streams, each of a user of its own, and send notifications as fast as they
are answered: messages a second, the time from a notification to its arrival in
the pages and to its answer. One that the server asks to be sent again is sent
again a second later, and counted.`,
		Example: `  hullbeam bench notifications --count 200 --batch 100 --streams 2000`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *s, std, b.signed)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addSigned(f)
	f.IntVar(&s.Streams, "streams", 2000, "streams, each of a user of its own")
	f.IntVar(&s.Count, "count", 200, "notifications that are sent")
	f.IntVar(&s.Batch, "batch", 100, "messages of each, each of another user")
	f.IntVar(&s.Size, "size", 256, "bytes of payload of a message")
	f.IntVar(&s.Connections, "connections", 4, "notifications on their way at a time, at most")
	f.BoolVar(&s.NewUsers, "new-users", false, "measure with users whom the server has not seen before, in place of sending each once first")
	return cmd
}

func benchSlow(std stdio) *cobra.Command {
	b, s := &benchFlags{}, &bench.Slow{}
	cmd := &cobra.Command{
		Use:   "slow",
		Short: "Let one of many streams stop to read",
		Long: `Open streams of one topic, of which one stops to read, and send messages to the
topic: what the others notice, when the server drops the one, what it takes of
memory. Then the one comes back with its Last-Event-ID, and is told the latest
state and not what it has missed. That the server drops it is seen on this machine
alone.`,
		Example: `  hullbeam bench slow --streams 1000 --size 4096 --rate 200 --duration 20s
  hullbeam bench slow --streams 1000 --updates --via notifications`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.Updates && s.Via == bench.ViaNotifications {
				return b.run(cmd.Context(), *s, std, b.signed)
			}
			return b.run(cmd.Context(), *s, std, b.operator)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addSigned(f)
	f.IntVar(&s.Streams, "streams", 1000, "streams of the topic, the one that stops among them")
	f.IntVar(&s.Size, "size", 4096, "bytes of payload of a message")
	f.Float64Var(&s.Rate, "rate", 200, "messages a second")
	f.DurationVar(&s.Duration, "duration", 20*time.Second, "how long is sent")
	f.BoolVar(&s.Updates, "updates", false, "send updates of the topic's user, which are conflated, in place of offers")
	f.StringVar(&s.Via, "via", bench.ViaUsers, "how updates are sent: users or notifications")
	f.IntVar(&s.ReceiveBuffer, "receive-buffer", 4096, "SO_RCVBUF of the one that stops to read, in bytes; 0: the system's")
	return cmd
}

func benchSiege(std stdio) *cobra.Command {
	b, s := &benchFlags{}, &bench.Siege{}
	cmd := &cobra.Command{
		Use:   "siege",
		Short: "Hold slow connections and streams that are never read, and see what others notice",
		Long: `Have visitors come, each for a token, a stream, a page view and an update; first
alone, then while others hold connections on which they send a byte at a time (of
a head, of a body, of HTTP/2) and streams that they never read, though updates are
sent to them, and open each anew when the server ends it. Then none is opened any
more: how long until the server has got rid of all of them, and until its memory
is back. The server is one node on this machine, whose end is looked at.`,
		Example: `  hullbeam bench siege
  hullbeam bench siege --connections 5000 --streams 5000 --duration 1m`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *s, std, b.operator)
		},
	}
	f := cmd.Flags()
	b.add(f)
	f.IntVar(&s.Connections, "connections", 1000, "connections that send a byte at a time")
	f.DurationVar(&s.Every, "every", time.Second, "how often each sends a byte")
	f.IntVar(&s.Streams, "streams", 1000, "streams that are never read")
	f.IntVar(&s.ReceiveBuffer, "receive-buffer", 4096, "SO_RCVBUF of these, in bytes; 0: the system's")
	f.Float64Var(&s.UpdateRate, "update-rate", 10, "updates a second that are sent to all of these")
	f.IntVar(&s.Size, "size", 8192, "bytes of payload of such an update")
	f.Float64Var(&s.Rate, "rate", 20, "visitors a second who come beside them")
	f.DurationVar(&s.Duration, "duration", 30*time.Second, "how long these come, in each half")
	f.DurationVar(&s.Patience, "patience", 2*time.Minute, "how long the server may take until all connections are gone, and again until memory is back")
	f.StringVar(&b.Trait, "trait", b.Trait, "a trait that the connector shows to pages")
	return cmd
}

func benchChurn(std stdio) *cobra.Command {
	b, s := &benchFlags{}, &bench.Churn{}
	cmd := &cobra.Command{
		Use:   "churn",
		Short: "Open and close streams at a rate",
		Long: `Open streams at a rate, each with a token of its own, and close each at its first
event: the time from when it was due to that event, the CPU of it, and whether
memory and descriptors come back. --rate 0 opens as fast as possible.`,
		Example: `  hullbeam bench churn --rate 500 --duration 10s
  hullbeam bench churn --rate 0 --token-once`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *s, std)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addPlain(f)
	f.Float64Var(&s.Rate, "rate", 500, "openings a second; 0: as fast as possible")
	f.DurationVar(&s.Duration, "duration", 10*time.Second, "how long streams are opened")
	f.BoolVar(&s.TokenOnce, "token-once", false, "open all streams with one token: the opening of the stream alone is measured")
	f.IntVar(&s.Parallel, "parallel", 64, "streams that are being opened at a time, at most")
	f.DurationVar(&s.Settle, "settle", 2*time.Second, "quiet before and after, until memory is read")
	return cmd
}

func benchViews(std stdio) *cobra.Command {
	b, v := &benchFlags{}, &bench.Views{}
	cmd := &cobra.Command{
		Use:   "views",
		Short: "Tell of page views as fast as they are answered, then read timelines",
		Long: `Tell of page views as fast as they are answered, of visitors who look at ten
pages each time they come, and of regulars who look at many: how many a second,
the time to the answer, what a view takes of history.db. Then read, as an operator,
the regulars' timelines: the latest 50 views, all of them in parts of 500, and the
summary.`,
		Example: `  hullbeam bench views --count 1000000 --data-dir /tmp/bench-data`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v.History = filepath.Join(b.dataDir, "history.db")
			return b.run(cmd.Context(), *v, std, b.operator)
		},
	}
	f := cmd.Flags()
	b.add(f)
	f.IntVar(&v.Count, "count", 1_000_000, "page views that are told of")
	f.IntVar(&v.Visitors, "visitors", 20_000, "visitors who look at them")
	f.IntVar(&v.Regulars, "regulars", 10, "visitors beside these, who look at many")
	f.IntVar(&v.RegularViews, "regular-views", 2000, "views of each regular, among --count")
	f.IntVar(&v.Connections, "connections", 64, "connections that tell of them")
	f.IntVar(&v.Reads, "reads", 100, "how many times each thing is read")
	return cmd
}

func benchLive(std stdio) *cobra.Command {
	b, l := &benchFlags{}, &bench.Live{}
	cmd := &cobra.Command{
		Use:   "live",
		Short: "Let visitors go from page to page while an operator looks",
		Long: `Open streams, each of a visitor of its own, who go from page to page; first while
nobody looks, then while an operator looks at the live view: how late the operator
knows the page, counted from when its view was due, how many bytes a second that
takes compressed and not, and the CPU of the server in both halves.`,
		Example: `  hullbeam bench live --visitors 5000 --every 5s
  hullbeam bench live --visitors 5000 --every 5s --plain`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *l, std, b.operator)
		},
	}
	f := cmd.Flags()
	b.add(f)
	f.IntVar(&l.Visitors, "visitors", 5000, "visitors, each with an open stream")
	f.DurationVar(&l.Every, "every", 5*time.Second, "how long a visitor stays on a page")
	f.DurationVar(&l.Duration, "duration", 20*time.Second, "how long they go from page to page, in each half")
	f.IntVar(&l.Connections, "connections", 64, "connections that tell of page views")
	f.BoolVar(&l.Plain, "plain", false, "the operator takes no compressed answer")
	return cmd
}
