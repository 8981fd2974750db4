package hull

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// The formats of extracts (docs/hull-protocol.md 6).
const (
	FormatJSON = "json" // one JSON object after the other, as a rule each on a line
	FormatCSV  = "csv"  // a row of names, then a row for each user
)

// ExtractOptions say how an extract is read.
type ExtractOptions struct {
	Format    string // FormatJSON or FormatCSV
	LineBytes int    // that a line may have; at least csvBuffer
	Depth     int    // of what is nested in a line; 0: DefaultDepth

	Users    *SegmentList // of users
	Accounts *SegmentList // of accounts
	Segments []string     // ids of users segments that every user is in besides, in UTF-8
}

// Extract reads the users of an extract, a slice at a time: the whole is never in
// memory. A line that is of no use is skipped.
type Extract struct {
	options ExtractOptions
	lines   lines
}

// Slice are some users of an extract, in its order. Index of a message or of a Skip is
// the number of its line, from 1.
type Slice struct {
	Messages []Message
	Skipped  []Skip
}

const (
	sliceLength = 100     // lines: what Hull's libraries hand on at a time
	sliceBytes  = 4 << 20 // of long lines there are fewer
)

// lines are the lines of an extract, one format's or the other's.
type lines interface {
	// next returns a line as a compact JSON object of the caller's own, and its
	// number. The error is a brokenLine, behind which there may be more; io.EOF; or
	// the reader's.
	next() (report []byte, line int, err error)
}

// brokenLine is why a line is of no use. It tells nothing that is in the line.
type brokenLine string

func (b brokenLine) Error() string { return string(b) }

// NewExtract reads from r, which nobody else may use meanwhile.
func NewExtract(r io.Reader, options ExtractOptions) *Extract {
	options.Depth = orDefaultDepth(options.Depth)
	e := &Extract{options: options}
	buffered := bufio.NewReaderSize(r, 64<<10)
	if options.Format == FormatCSV {
		e.lines = newCSVLines(buffered, options)
	} else {
		e.lines = &jsonLines{r: buffered, options: options, line: 1}
	}
	return e
}

// skipMark skips a byte order mark.
func skipMark(r *bufio.Reader) {
	if start, _ := r.Peek(len(byteOrderMark)); string(start) == string(byteOrderMark) { // an error comes again
		r.Discard(len(byteOrderMark))
	}
}

// Next returns the next users, which may be none, and with the last of them io.EOF. Any
// other error is the reader's, or ErrNoUser: no line can be of a user. What comes with
// it has been read whole.
func (e *Extract) Next() (s Slice, err error) {
	size := 0
	for len(s.Messages)+len(s.Skipped) < sliceLength && size < sliceBytes {
		report, line, err := e.lines.next()
		if broken, ok := errors.AsType[brokenLine](err); ok {
			s.Skipped = append(s.Skipped, Skip{line, string(broken)})
			continue
		}
		if err != nil {
			return s, err
		}
		size += len(report)
		if m := e.message(report); m.UserID == "" {
			s.Skipped = append(s.Skipped, Skip{line, SkipNoUserID})
		} else {
			m.Index = line
			s.Messages = append(s.Messages, m)
		}
	}
	return s, nil
}

// message makes of a line what a user:update would have said, so that nothing else need
// know where a user came from. A line's own lists of segments win, where it has them.
func (e *Extract) message(report []byte) Message {
	m := readReport(report)
	if m.Segments == nil {
		m.Segments, m.SegmentIDs = e.options.Users.of(m.SegmentIDs, e.options.Segments), nil
	}
	if m.Account == nil {
		m.Account = []byte("{}")
	}
	if m.AccountSegments == nil {
		m.AccountSegments = e.options.Accounts.of(member(m.Account, "segment_ids"), nil)
	}
	return m
}

// readLine checks a line's JSON.
func readLine(text []byte, depth int) (report []byte, err error) {
	report, err = readJSON(text, depth)
	switch {
	case err != nil:
		return nil, brokenLine(err.Error())
	case kindOf(report) != '{':
		return nil, brokenLine(SkipNotAnObject)
	}
	return report, nil
}

// tooLong is said of a line with more than so many bytes.
func tooLong(most int) brokenLine { return brokenLine(fmt.Sprintf("longer than %d bytes", most)) }
