package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Status is what came of a check.
type Status string

// OK: it is well. Warn: it works, but not as well as it could. Fail: something that should
// work does not. Unchecked: it could not be looked at, or was not asked for.
const (
	OK        Status = "ok"
	Warn      Status = "warn"
	Fail      Status = "fail"
	Unchecked Status = "unchecked"
)

// Result is a check, and what came of it.
type Result struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Seen   string `json:"seen"`             // or why it was not checked
	Why    string `json:"why,omitempty"`    // it matters
	Change string `json:"change,omitempty"` // the line to change, where
	Docs   string `json:"docs,omitempty"`   // the URL of what is written about it
}

// IsFinding tells whether something is wrong.
func (r Result) IsFinding() bool { return r.Status == Warn || r.Status == Fail }

// Report is what was found, in the order of the checks.
type Report struct {
	URL       string   `json:"url"`
	Connector string   `json:"connector,omitempty"`
	Results   []Result `json:"results"`
}

// Findings are what is wrong.
func (r *Report) Findings() (found []Result) {
	for _, result := range r.Results {
		if result.IsFinding() {
			found = append(found, result)
		}
	}
	return found
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

var (
	words   = map[Status]string{OK: "ok", Warn: "warn", Fail: "FAIL", Unchecked: "not checked"}
	colours = map[Status]string{OK: "\x1b[32m", Warn: "\x1b[33m", Fail: "\x1b[31m", Unchecked: "\x1b[2m"}
)

// WriteText writes the report for people: a line for each check, and below a finding why it
// matters, what to change and where it is explained.
func (r *Report) WriteText(w io.Writer, coloured bool) error {
	var b strings.Builder
	for _, result := range r.Results {
		word := fmt.Sprintf("%-11s", words[result.Status])
		if coloured {
			word = colours[result.Status] + word + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s  %-16s %s\n", word, result.Check, result.Seen)
		if result.IsFinding() {
			const margin = "             "
			fmt.Fprintf(&b, "%swhy:    %s\n%schange: %s\n%sdocs:   %s\n", margin, result.Why, margin, result.Change, margin, result.Docs)
		}
	}
	fmt.Fprintf(&b, "%s\n", r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) summary() string {
	count := map[Status]int{}
	for _, result := range r.Results {
		count[result.Status]++
	}
	return fmt.Sprintf("ok: %d, findings: %d, not checked: %d", count[OK], count[Warn]+count[Fail], count[Unchecked])
}

// longest is how much of a text of others is quoted.
const longest = 200

// quote is text of others as it may be shown: of one line, without what steers terminals,
// and not too long.
func quote(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}
