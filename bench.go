package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hullbeam/bench"
)

// benchFlags are the flags that all scenarios have.
type benchFlags struct {
	bench.Config
	runs                       int
	dataDir, organization      string
	secret, key                string
	jsonFile, plotFile, before string
}

func (b *benchFlags) add(f *pflag.FlagSet) {
	b.Config = bench.DefaultConfig()
	f.StringSliceVar(&b.URLs, "url", b.URLs, "the server; several, separated by commas, are taken in turn")
	f.StringVar(&b.Connector, "connector", demoConnector, "the connector's id")
	f.StringVar(&b.Origin, "origin", "", "the origin that pages say (default: the server's own)")
	f.IntSliceVar(&b.PIDs, "pid", nil, "the server's processes on this machine, to read their memory and CPU (default: those that listen at --url)")
	f.StringVar(&b.dataDir, "data-dir", "./data", "where development mode keeps its keys, for those that are not given")
	f.StringVar(&b.AdminKey, "admin-key", "", "an operator's key (default: HULLBEAM_ADMIN_KEY, else of development mode)")
	f.BoolVar(&b.Direct, "direct", false, "open a stream over the connection that its token came by, as a browser without a proxy in between does")
	f.IntVar(&b.Addresses, "addresses", b.Addresses, "how many loopback addresses streams come from when the server is on this machine")
	f.IntVar(&b.Threads, "threads", b.Threads, "threads that read the streams")
	f.DurationVar(&b.Drain, "drain", b.Drain, "silence after which what has not arrived counts as lost")
	f.IntVar(&b.runs, "runs", 1, "run it so many times, and tell medians")
	f.StringVar(&b.jsonFile, "json", "", "write the result to this file")
	f.StringVar(&b.plotFile, "plot", "", "draw the result into this file, .svg or .png")
	f.StringVar(&b.before, "compare", "", "compare with the result in this file")
}

// addPlain adds what makes another server comparable.
func (b *benchFlags) addPlain(f *pflag.FlagSet) {
	f.StringVar(&b.StreamPath, "stream-path", "", "load another server: its streams are here, such as /s?topic={topic}")
	f.StringVar(&b.PublishPath, "publish-path", "", "and events are posted here, such as /pub?topic={topic}")
}

// addSigned adds what is needed to send notifications.
func (b *benchFlags) addSigned(f *pflag.FlagSet) {
	f.StringVar(&b.organization, "organization", demoOrganization, "the connector's organization, for notifications")
	f.StringVar(&b.secret, "secret", "", "the connector's secret, for notifications (default: HULLBEAM_CONNECTOR_SECRET, else of development mode)")
	f.StringVar(&b.key, "key", "", "file with the private key in PEM, for notifications (default: of development mode)")
	f.StringVar(&b.Trait, "trait", b.Trait, "a trait that the connector shows to pages: it carries the marks by which updates are known again")
}

const benchHelp = `Load a running server and measure what comes of it: memory and CPU from /proc,
latencies from the moment that something was due. The server must be reached by
plain HTTP; best it runs on this machine, which is Linux.

Every run makes visitors and users of its own, whose states stay in the server's
store: take a data_dir for the measurement. Exit code 1: something was lost or
refused.

docs/bench.md tells how to size a machine with it.`

func benchCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a running server can do on its machine",
		Long:  benchHelp,
		Example: `  hullbeam bench hold --streams 2000,10000,18000
  hullbeam bench unicast --streams 10000 --rate 2000 --search
  hullbeam bench fanout --streams 10000 --json after.json --compare before.json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return usage(errors.New("bench needs a scenario")) },
	}
	cmd.AddCommand(benchHold(std), benchFanout(std), benchUnicast(std), benchNotifications(std), benchSlow(std), benchChurn(std),
		benchCompare(std), benchTable(std), benchPlot())
	return cmd
}

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

// run runs a scenario, after what it needs has been prepared, and tells what came of it.
func (b *benchFlags) run(ctx context.Context, s bench.Scenario, std stdio, prepare ...func() error) error {
	for _, f := range prepare {
		if err := f(); err != nil {
			return err
		}
	}
	before, err := b.earlier()
	if err != nil {
		return err
	}
	b.Progress, b.Terminal = std.err, isTerminal(std.err)
	result, err := bench.Run(ctx, b.Config, s, b.runs)
	if err != nil {
		return err
	}
	if err := result.Print(std.out); err != nil {
		return err
	}
	if b.jsonFile != "" {
		if err := result.Write(b.jsonFile); err != nil {
			return err
		}
	}
	if b.plotFile != "" {
		if err := bench.Plot(b.plotFile, []string{result.Scenario}, []*bench.Result{result}); err != nil {
			return err
		}
	}
	if before != nil {
		fmt.Fprintln(std.out)
		if err := bench.Compare(std.out, before, result); err != nil {
			return err
		}
	}
	if !result.Passed() {
		return errors.New("something was lost or refused")
	}
	return nil
}

// earlier is the result that is to be compared with, if there is one. It is read
// before the run: a wrong name should not cost minutes.
func (b *benchFlags) earlier() (*bench.Result, error) {
	if ext := filepath.Ext(b.plotFile); b.plotFile != "" && ext != ".svg" && ext != ".png" {
		return nil, usage(fmt.Errorf("--plot: %s is neither .svg nor .png", b.plotFile))
	}
	if b.before == "" {
		return nil, nil
	}
	r, err := bench.Read(b.before)
	if err != nil {
		return nil, usage(err)
	}
	return r, nil
}

func benchCompare(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "compare a.json b.json",
		Short:   "Compare two results",
		Long:    `Print what two results of one scenario have in common, with b as a multiple of a.`,
		Example: `  hullbeam bench compare before.json after.json`,
		Args:    someArgs(2, 2),
		RunE: func(_ *cobra.Command, files []string) error {
			results, err := readResults(files)
			if err != nil {
				return err
			}
			return bench.Compare(std.out, results[0], results[1])
		},
	}
}

func benchTable(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "table name=result.json[,result.json...]...",
		Short:   "Put results of one scenario side by side",
		Long:    `Print results of one scenario side by side, under names: of several results the medians.`,
		Example: `  hullbeam bench table hullbeam=a1.json,a2.json,a3.json nchan=b1.json,b2.json,b3.json`,
		Args:    someArgs(1, 20),
		RunE: func(_ *cobra.Command, args []string) error {
			var names []string
			runs := map[string][]*bench.Result{}
			for _, arg := range args {
				name, files, ok := strings.Cut(arg, "=")
				if !ok {
					return usage(fmt.Errorf("%s is not name=result.json", arg))
				}
				results, err := readResults(strings.Split(files, ","))
				if err != nil {
					return err
				}
				names = append(names, name)
				runs[name] = results
			}
			return bench.Table(std.out, names, runs)
		},
	}
}

func benchPlot() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plot result.json...",
		Short: "Draw results of one scenario",
		Long: `Draw results of one scenario into one plot: memory over streams for hold, else the
part of all that took so long or less.`,
		Example: `  hullbeam bench plot before.json after.json --out hold.svg`,
		Args:    someArgs(1, 20),
		RunE: func(_ *cobra.Command, files []string) error {
			results, err := readResults(files)
			if err != nil {
				return err
			}
			names := make([]string, len(files))
			for i, file := range files {
				names[i] = strings.TrimSuffix(filepath.Base(file), ".json")
			}
			return bench.Plot(out, names, results)
		},
	}
	cmd.Flags().StringVar(&out, "out", "bench.svg", "the file, .svg or .png")
	return cmd
}

func readResults(files []string) ([]*bench.Result, error) {
	results := make([]*bench.Result, 0, len(files))
	for _, file := range files {
		r, err := bench.Read(file)
		if err != nil {
			return nil, usage(err)
		}
		results = append(results, r)
	}
	return results, nil
}

// someArgs checks how many words a command was given.
func someArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage(fmt.Errorf("%s takes %s", cmd.CommandPath(), strings.TrimPrefix(cmd.Use, cmd.Name()+" ")))
		}
		return nil
	}
}

// operator reads the admin key: the flag, the variable, else that of development
// mode.
func (b *benchFlags) operator() error {
	if b.AdminKey = cmp.Or(b.AdminKey, os.Getenv("HULLBEAM_ADMIN_KEY")); b.AdminKey != "" || b.StreamPath != "" {
		return nil
	}
	d, err := readDevelopment(b.dataDir)
	if err != nil {
		return fmt.Errorf("%w; give --data-dir, --admin-key or HULLBEAM_ADMIN_KEY", err)
	}
	b.AdminKey = d.AdminKey
	return nil
}

// signed makes notifications as Hull would.
func (b *benchFlags) signed() error {
	o := notifyOptions{secret: b.secret, key: b.key, dataDir: b.dataDir}
	d, key, err := o.keys()
	if err != nil {
		return err
	}
	b.Sign = func(id string) http.Header { return key.Headers(id, demoKeyURL, time.Now()) }
	b.Configuration, err = json.Marshal(map[string]string{"id": b.Connector, "organization": b.organization, "secret": d.ConnectorSecret})
	return err
}

// isTerminal tells whether what is written there is seen at once.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
