package hull

import (
	"bytes"
	"fmt"
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file work on text that readJSON has returned: it is
// valid, and has no white space between its parts. Slices start at a value and
// end after it; nil is no value. Nothing is decoded but names that have escapes.
//
// Hot loops do without the iterators. They walk an object like this, and a list
// without the name:
//
//	for i := start + 1; b[i] != '}'; i = afterComma(b, i) {
//		name, value := nameAt(b, i)
//		i = valueEnd(b, value)
//		...
//	}

// members walks the members of an object in order, repeated names included: a
// caller takes the last. Names are without quotes and escapes, values are raw.
// Anything but an object has no members.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		if kindOf(object) != '{' {
			return
		}
		for i := 1; object[i] != '}'; i = afterComma(object, i) {
			name, value := nameAt(object, i)
			i = valueEnd(object, value)
			if !yield(name, object[value:i]) {
				return
			}
		}
	}
}

// elements walks the raw elements of a list. Anything but a list has none.
func elements(list []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		if kindOf(list) != '[' {
			return
		}
		for i := 1; list[i] != ']'; i = afterComma(list, i) {
			start := i
			i = valueEnd(list, i)
			if !yield(list[start:i]) {
				return
			}
		}
	}
}

// nameAt returns the name of the member that starts at b[i], and the index of
// its value.
func nameAt(b []byte, i int) (name []byte, value int) {
	end := plainEnd(b, i+1)
	if b[end] == '"' {
		return b[i+1 : end], end + len(`":`)
	}
	end = stringEnd(b, i)
	return unescape(b[i+1 : end-1]), end + len(`:`)
}

// afterComma is the index after the comma at b[i], if there is one.
func afterComma(b []byte, i int) int {
	if b[i] == ',' {
		i++
	}
	return i
}

// kindOf is the first byte of a value, which says what it is: '{', '[', '"',
// 'n' for null, 't' or 'f', a digit or '-'. It is 0 for nil.
func kindOf(value []byte) byte {
	if len(value) == 0 {
		return 0
	}
	return value[0]
}

// member is the value of the named member of an object, nil when there is none.
func member(object []byte, wanted string) (found []byte) {
	for name, value := range members(object) {
		if string(name) == wanted {
			found = value
		}
	}
	return found
}

// text is the content of a string, and false for anything else.
func text(value []byte) (content []byte, ok bool) {
	if kindOf(value) != '"' {
		return nil, false
	}
	return unescape(value[1 : len(value)-1]), true
}

// textOrNone is the content of a string, and "" for anything else.
func textOrNone(value []byte) string {
	content, _ := text(value)
	return string(content)
}

// texts is the content of a list of strings, and false for anything else.
func texts(value []byte) (list []string, ok bool) {
	if kindOf(value) != '[' {
		return nil, false
	}
	for element := range elements(value) {
		content, ok := text(element)
		if !ok {
			return nil, false
		}
		list = append(list, string(content))
	}
	return list, true
}

// stringEnd is the index after the string that starts at b[i]. Values tend to be
// longer than names, so that IndexByte is faster here than plainEnd.
func stringEnd(b []byte, i int) int {
	for {
		i++
		i += bytes.IndexByte(b[i:], '"')
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd is the index after the value that starts at b[i].
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

func nestedEnd(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// appendQuoted appends a string of valid UTF-8.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	plain := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[plain:i]...)
		plain = i + 1
		if c < ' ' {
			dst = fmt.Appendf(dst, `\u%04x`, c)
		} else {
			dst = append(dst, '\\', c)
		}
	}
	return append(append(dst, s[plain:]...), '"')
}

// unescape returns the content of a string without escapes, which is s itself
// when there are none. Half a surrogate pair becomes U+FFFD, as in encoding/json.
func unescape(s []byte) []byte {
	i := bytes.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	plain := make([]byte, 0, len(s))
	for i >= 0 {
		plain = append(plain, s[:i]...)
		var r rune
		r, s = unescapeRune(s[i:])
		plain = utf8.AppendRune(plain, r)
		i = bytes.IndexByte(s, '\\')
	}
	return append(plain, s...)
}

// unescapeRune reads the escape, or the pair of them, at the start of s, and
// returns what is after it.
func unescapeRune(s []byte) (rune, []byte) {
	switch c, rest := s[1], s[2:]; c {
	case 'b':
		return '\b', rest
	case 'f':
		return '\f', rest
	case 'n':
		return '\n', rest
	case 'r':
		return '\r', rest
	case 't':
		return '\t', rest
	case 'u':
	default:
		return rune(c), rest
	}
	r := hexRune(s[2:6])
	if !utf16.IsSurrogate(r) {
		return r, s[6:]
	}
	if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(s[8:12])); pair != utf8.RuneError {
			return pair, s[12:]
		}
	}
	return utf8.RuneError, s[6:]
}

func hexRune(digits []byte) (r rune) {
	for _, c := range digits {
		r = r<<4 | hexDigit(c)
	}
	return r
}
