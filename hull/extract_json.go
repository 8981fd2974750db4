package hull

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// jsonLines reads JSON values. Hull writes one on a line, and its libraries read several
// that follow each other without one as well. A value does not go over the end of its
// line: else one that is cut off would take all that follow with it. Behind a broken one
// the rest of its line is skipped too, since nobody can say where it ends.
type jsonLines struct {
	r       *bufio.Reader
	options ExtractOptions
	line    int // that is being read
	begun   bool
	broken  bool   // the rest of the line is to be skipped
	text    []byte // of a value, used again
}

func (l *jsonLines) next() (report []byte, line int, err error) {
	if !l.begun {
		skipMark(l.r)
		l.begun = true
	}
	if err := l.toValue(); err != nil {
		return nil, l.line, err
	}
	if err = l.value(); err == nil {
		report, err = readLine(bytes.Clone(l.text), l.options.Depth)
	}
	_, l.broken = errors.AsType[brokenLine](err)
	return report, l.line, err
}

// toValue skips white space, and what is left of a broken line.
func (l *jsonLines) toValue() error {
	for {
		c, err := l.r.ReadByte()
		switch {
		case err != nil:
			return err
		case c == '\n':
			l.line++
			l.broken = false
		case !isSpace(c) && !l.broken:
			return l.r.UnreadByte()
		}
	}
}

// value reads to the bracket that closes the first one, or to the end of the line.
func (l *jsonLines) value() error {
	l.text = l.text[:0]
	for depth, inText, escaped := 0, false, false; ; {
		c, err := l.r.ReadByte()
		switch {
		case err == io.EOF:
			return nil // what is there is a value, or it is not
		case err != nil:
			return err
		case c == '\n':
			return l.r.UnreadByte()
		case len(l.text) == l.options.LineBytes:
			if c == '\r' {
				continue // of the end of the line
			}
			return tooLong(l.options.LineBytes)
		}
		l.text = append(l.text, c)
		switch {
		case escaped:
			escaped = false
		case inText:
			escaped, inText = c == '\\', c != '"'
		case c == '"':
			inText = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth <= 0 {
				return nil
			}
		}
	}
}
