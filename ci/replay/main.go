// Command replay sends the fixtures of testdata/hull over HTTP to servers, which it
// runs on loopback sockets, and prints what became of each. The servers are made of the
// product's parts as the product makes them, but for what no setting changes: the clock,
// which stands where a fixture was signed, and the way to Amazon, on which the fixtures'
// certificate lies. Notifications of which no signature is kept are signed with a key of
// its own.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// The fixtures' connector.
const (
	ship   = "3de707bcaa7fee93742e2793"
	org    = "harbor-demo.hullapp.io"
	secret = "ce1c5ce021baf6a9214bb428b4ab5056"
	page   = "https://www.harbor.example"
)

func main() {
	fixtures := flag.String("fixtures", "testdata/hull", "where the fixtures are")
	flag.Parse()
	r := &replay{dir: *fixtures}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"notifications", r.notifications}, {"bad", r.bad}, {"signatures", r.signatures},
		{"sns", r.sns}, {"batch", r.batch}, {"rest", r.rest}, {"firehose", r.firehose},
	} {
		if err := part.run(); err != nil {
			fmt.Fprintf(os.Stderr, "replay: %s: %v\n", part.name, err)
			os.Exit(1)
		}
	}
	if differing := r.print(os.Stdout); differing > 0 {
		os.Exit(1)
	}
}

// replay is what was sent so far.
type replay struct {
	dir  string
	rows []row
}

// row is one thing that was sent.
type row struct{ fixture, sent, want, got string }

func (r *replay) add(fixture, sent, want, got string) {
	r.rows = append(r.rows, row{fixture, sent, want, got})
}

// print writes the table, and returns how many rows are not as wanted.
func (r *replay) print(w io.Writer) (differing int) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIXTURE\tSENT\tANSWER\tWANTED\tOK")
	for _, row := range r.rows {
		verdict := "yes"
		if row.got != row.want {
			verdict = "NO"
			differing++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.fixture, row.sent, row.got, row.want, verdict)
	}
	table.Flush()
	fmt.Fprintf(w, "\n%d sent, %d not as wanted\n", len(r.rows), differing)
	return differing
}

// read reads a fixture.
func (r *replay) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(name)))
}

// decode reads a fixture of JSON.
func (r *replay) decode(name string, into any) error {
	text, err := r.read(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// names lists the fixtures of a directory with this end, without it.
func (r *replay) names(directory, end string) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(r.dir, directory, "*"+end))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no *%s in %s", end, filepath.Join(r.dir, directory))
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), end))
	}
	return names, err
}
