package hull

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// Most of a notification is never published, so it is not decoded: readJSON
// checks it once, and what is wanted is then found in place by the functions
// of jsonwalk.go, as slices of the text. Numbers so keep their digits.

// DefaultDepth is how deep objects and lists may be nested in what comes from
// Hull. Real notifications have a depth of about ten.
const DefaultDepth = 512

// orDefaultDepth is the depth that a caller asks for; 0 and below: DefaultDepth.
func orDefaultDepth(depth int) int {
	if depth <= 0 {
		return DefaultDepth
	}
	return depth
}

// maxDepth bounds every depth, since checking recurses. It is encoding/json's.
const maxDepth = 10_000

var byteOrderMark = []byte("\xef\xbb\xbf")

// readJSON returns the one JSON value that data consists of (RFC 8259), without
// a byte order mark and without white space around its parts, and with U+FFFD
// for what is not UTF-8. The result is a part of data, unless that is not UTF-8
// or was printed for humans. It is empty when data is.
func readJSON(data []byte, depth int) ([]byte, error) {
	data = trimJSON(data)
	if len(data) == 0 {
		return data, nil
	}
	c := checker{b: data, compacts: true}
	if err := c.check(depth); err != nil {
		return nil, err
	}
	return c.text(), nil
}

// trimJSON is data as UTF-8, without a byte order mark and white space around it.
func trimJSON(data []byte) []byte {
	data = bytes.TrimPrefix(data, byteOrderMark)
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	return bytes.Trim(data, " \t\r\n")
}

var errDepth = errors.New("nested too deeply")

// checkJSON tells whether data is exactly one JSON value, with white space
// around it or not, as json.Valid does, and nested no deeper than depth.
func checkJSON(data []byte, depth int) error {
	c := checker{b: data}
	return c.check(depth)
}

// checker checks b. On the way it can copy b without the white space. Pointers
// are not written again and again, which costs while garbage is collected.
type checker struct {
	b        []byte
	compacts bool
	compact  []byte // as long as b; nil: no white space so far
	written  int    // bytes of compact
	copied   int    // bytes of b that these are from
}

func (c *checker) check(depth int) error {
	end := c.value(c.space(0), min(depth, maxDepth))
	switch {
	case end == tooDeep:
		return errDepth
	case end < 0:
		return fmt.Errorf("not JSON at byte %d", ^end)
	}
	if end = c.space(end); end < len(c.b) {
		return fmt.Errorf("more after the value at byte %d", end)
	}
	return nil
}

// text is b without white space, once it is checked.
func (c *checker) text() []byte {
	if c.compact == nil {
		return c.b
	}
	return append(c.compact[:c.written], c.b[c.copied:]...)
}

// space returns the index after the white space at b[i], if there is any.
func (c *checker) space(i int) int {
	if i < len(c.b) && c.b[i] > ' ' {
		return i
	}
	return c.skipSpace(i)
}

func (c *checker) skipSpace(start int) int {
	end := spaceEnd(c.b, start)
	if c.compacts && end > start {
		if c.compact == nil {
			c.compact = make([]byte, len(c.b))
		}
		c.written += copy(c.compact[c.written:], c.b[c.copied:start])
		c.copied = end
	}
	return end
}

// The check functions return the index after what starts at b[i], or ^j when
// b[j] (the end, when j is len(b)) is wrong, or tooDeep. They need i <= len(b).

const tooDeep = -1 << 62

func (c *checker) value(i, depth int) int {
	b := c.b
	if i == len(b) {
		return ^i
	}
	switch b[i] {
	case '"':
		return checkString(b, i)
	case '{':
		return c.object(i, depth)
	case '[':
		return c.array(i, depth)
	case 't':
		return checkLiteral(b, i, "true")
	case 'f':
		return checkLiteral(b, i, "false")
	case 'n':
		return checkLiteral(b, i, "null")
	}
	return checkNumber(b, i)
}

func (c *checker) object(i, depth int) int {
	b := c.b
	if depth <= 0 {
		return tooDeep
	}
	i = c.space(i + 1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i == len(b) || b[i] != '"' {
			return ^i
		}
		if i = checkString(b, i); i < 0 {
			return i
		}
		if i = c.space(i); i == len(b) || b[i] != ':' {
			return ^i
		}
		if i = c.value(c.space(i+1), depth-1); i < 0 {
			return i
		}
		i = c.space(i)
		switch {
		case i < len(b) && b[i] == ',':
			i = c.space(i + 1)
		case i < len(b) && b[i] == '}':
			return i + 1
		default:
			return ^i
		}
	}
}

func (c *checker) array(i, depth int) int {
	b := c.b
	if depth <= 0 {
		return tooDeep
	}
	i = c.space(i + 1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = c.value(i, depth-1); i < 0 {
			return i
		}
		i = c.space(i)
		switch {
		case i < len(b) && b[i] == ',':
			i = c.space(i + 1)
		case i < len(b) && b[i] == ']':
			return i + 1
		default:
			return ^i
		}
	}
}

func checkString(b []byte, i int) int {
	for i = plainEnd(b, i+1); i < len(b); i = plainEnd(b, i) {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			if i = checkEscape(b, i); i < 0 {
				return i
			}
		default: // a control character
			return ^i
		}
	}
	return ^i
}

func checkEscape(b []byte, i int) int {
	i++
	if i == len(b) {
		return ^i
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for range 4 {
			if i++; i == len(b) || hexDigit(b[i]) < 0 {
				return ^i
			}
		}
		return i + 1
	}
	return ^i
}

func checkLiteral(b []byte, i int, literal string) int {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return ^i
	}
	return i + len(literal)
}

func checkNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = checkDigits(b, i); i < 0 {
		return i
	}
	if i < len(b) && b[i] == '.' {
		if i = checkDigits(b, i+1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		i = checkDigits(b, i)
	}
	return i
}

// checkDigits wants at least one.
func checkDigits(b []byte, i int) int {
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// spaceEnd is the index after the white space at b[i]. It looks at eight bytes
// at a time: half of an indented text is spaces.
func spaceEnd(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
		for i+8 <= len(b) {
			spaces := bits.TrailingZeros64(binary.LittleEndian.Uint64(b[i:])^ones*' ') / 8
			if i += spaces; spaces < 8 {
				break
			}
		}
	}
	return i
}

func isSpace(c byte) bool {
	return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t')
}

// plainEnd is the index of the first quote, backslash or control character
// from i on, or len(b). It looks at eight bytes at a time: most of a body is
// inside strings.
func plainEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if marks := specialBytes(binary.LittleEndian.Uint64(b[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// specialBytes sets the high bit of each byte of w that is a quote, a backslash
// or a control character, and perhaps of some above the lowest of these: a
// borrow only moves upwards (Bit Twiddling Hacks, "hasless").
func specialBytes(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}
