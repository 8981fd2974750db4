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
		benchViews(std), benchLive(std), benchSiege(std), benchSoak(std),
		benchCompare(std), benchTable(std), benchPlot())
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
