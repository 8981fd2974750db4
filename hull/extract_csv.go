package hull

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// csvBuffer is the least that encoding/csv reads with. What it has in there was not
// counted for the line that begins in it.
const csvBuffer = 4096

// csvLines reads rows of cells, and makes of each the report that a line of JSON would
// have been (docs/decisions/0018-extracts.md).
type csvLines struct {
	r       *csv.Reader
	buffer  *bufio.Reader // r's
	source  *csvSource
	options ExtractOptions
	columns []column // nil: the first row is still to be read
}

// column is what the first row says of the cells below it.
type column struct {
	name    string
	account bool // it is the account's
}

func newCSVLines(r *bufio.Reader, options ExtractOptions) *csvLines {
	source := &csvSource{r: r}
	buffer := bufio.NewReaderSize(source, csvBuffer)
	l := &csvLines{r: csv.NewReader(buffer), buffer: buffer, source: source, options: options}
	l.r.FieldsPerRecord, l.r.ReuseRecord = -1, true
	return l
}

func (l *csvLines) next() (report []byte, line int, err error) {
	if l.columns == nil {
		skipMark(l.source.r)
		if err := l.readColumns(); err != nil {
			return nil, 1, err
		}
	}
	cells, line, err := l.row()
	switch {
	case err != nil:
		return nil, line, err
	case len(cells) != len(l.columns):
		// They would be taken for another column's, and an email for everybody's.
		return nil, line, brokenLine(fmt.Sprintf("%d cells below %d names", len(cells), len(l.columns)))
	}
	return l.report(cells), line, nil
}

// readColumns reads the first row.
func (l *csvLines) readColumns() error {
	cells, _, err := l.row()
	if broken, ok := errors.AsType[brokenLine](err); ok {
		return fmt.Errorf("%w: the row of names: %s", ErrNoUser, broken)
	} else if err != nil {
		return err
	}
	found := false
	for _, cell := range cells {
		name := strings.TrimSpace(strings.ToValidUTF8(cell, "\uFFFD"))
		ofAccount, account := strings.CutPrefix(name, accountPrefix)
		if account {
			name = ofAccount
		}
		found = found || name == "id" && !account
		l.columns = append(l.columns, column{name, account})
	}
	if !found {
		return fmt.Errorf("%w: no column has the name id", ErrNoUser)
	}
	return nil
}

// row reads the cells of a row, which are good until the next one.
func (l *csvLines) row() (cells []string, line int, err error) {
	l.source.allow(l.options.LineBytes - l.buffer.Buffered())
	cells, err = l.r.Read()
	if len(cells) > 0 {
		line, _ = l.r.FieldPos(0)
	}
	fault, isFault := errors.AsType[*csv.ParseError](err)
	if isFault {
		line, err = fault.StartLine, brokenLine("a quote in a wrong place")
	}
	switch {
	case l.source.exceeded:
		return nil, line, tooLong(l.options.LineBytes)
	case l.source.err != nil:
		return nil, line, l.source.err // rather than what is wrong with the row that it has cut off
	}
	return cells, line, err
}

// report is a row as JSON. Empty cells are absent.
func (l *csvLines) report(cells []string) []byte {
	user, account := []byte{'{'}, []byte{'{'}
	for i, cell := range cells {
		of := l.columns[i]
		if cell == "" || of.name == "" {
			continue
		}
		object := &user
		if of.account {
			object = &account
		}
		*object = append(appendQuoted(*object, of.name), ':')
		*object = append(l.appendCell(*object, of.name, cell), ',')
	}
	if len(account) > 1 {
		user = appendMember(user, `"account":`, closeWith(account, '}'))
	}
	return closeWith(user, '}')
}

// columnKinds are the attributes whose type is known, also where a cell looks like
// something else.
var columnKinds = map[string]byte{
	"id": '"', "external_id": '"', "email": '"', "contact_email": '"', "domain": '"', "name": '"',
	"anonymous_ids": '[', "segment_ids": '[',
}

// appendCell appends a cell as JSON: what is a number, true, false, a list or an object
// in JSON is that, digit for digit, and all else a text.
func (l *csvLines) appendCell(dst []byte, name, cell string) []byte {
	value, err := readJSON([]byte(cell), l.options.Depth)
	kind := kindOf(value)
	switch wanted := columnKinds[name]; {
	case wanted == '[' && (err != nil || kind != '['):
		return appendList(dst, cell)
	case err != nil, wanted == '"', kind == 0, kind == '"', kind == 'n':
		return appendQuoted(dst, strings.ToValidUTF8(cell, "\uFFFD"))
	}
	return append(dst, value...)
}

// appendList appends a list of texts that are separated by commas or semicolons.
func appendList(dst []byte, cell string) []byte {
	dst = append(dst, '[')
	for _, item := range strings.FieldsFunc(cell, func(r rune) bool { return r == ',' || r == ';' }) {
		if item = strings.TrimSpace(item); item != "" {
			dst = append(appendQuoted(dst, strings.ToValidUTF8(item, "\uFFFD")), ',')
		}
	}
	return closeWith(dst, ']')
}

// csvSource is what a csv.Reader reads, which has no bound of its own: a quote that
// nobody closes would have it take in everything.
type csvSource struct {
	r        *bufio.Reader
	left     int   // bytes that the row may still have
	exceeded bool  // it has more
	within   bool  // what was read last is within a line
	err      error // of r, but io.EOF
}

// allow lets a row begin. What is left of the line in which the last one had too many
// bytes is skipped.
func (s *csvSource) allow(bytes int) {
	s.left = bytes
	if !s.exceeded {
		return
	}
	s.exceeded = false
	for s.within && s.err == nil {
		c, err := s.r.ReadByte()
		s.within = err == nil && c != '\n'
		s.note(err)
	}
}

var errExceeded = errors.New("a row of too many bytes")

func (s *csvSource) Read(p []byte) (n int, err error) {
	switch _, end := s.r.Peek(1); {
	case s.err != nil:
		return 0, s.err
	case end != nil:
		s.note(end)
		return 0, end
	case s.left == 0:
		s.exceeded = true
		return 0, errExceeded
	}
	n, err = s.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	s.within = n > 0 && p[n-1] != '\n'
	s.note(err)
	return n, err
}

func (s *csvSource) note(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
}
