package doctest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Markup is what is in a piece of HTML that has to be looked at.
type Markup struct {
	Data    []string // names of attributes that begin with data-
	Scripts []string // JavaScript
	JSON    []string // of scripts that are data
}

// ReadMarkup reads a piece of HTML, in which every element is closed.
func ReadMarkup(text string) (Markup, error) {
	var m Markup
	var open []string
	kind := ""
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return m, err
			} else if len(open) > 0 {
				return m, fmt.Errorf("%v is not closed", open)
			}
			return m, nil
		case html.StartTagToken:
			t := z.Token()
			kind = m.attributes(t)
			if !slices.Contains([]string{"input", "img", "link", "meta", "br", "hr", "!doctype"}, t.Data) {
				open = append(open, t.Data)
			}
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				return m, fmt.Errorf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		case html.TextToken:
			switch script := z.Token().Data; {
			case len(open) == 0 || open[len(open)-1] != "script":
			case kind == "application/json":
				m.JSON = append(m.JSON, script)
			default:
				m.Scripts = append(m.Scripts, script)
			}
		}
	}
}

// attributes notes those of an element, and tells its type.
func (m *Markup) attributes(t html.Token) (kind string) {
	for _, a := range t.Attr {
		if strings.HasPrefix(a.Key, "data-") {
			m.Data = append(m.Data, a.Key)
		}
		if a.Key == "type" {
			kind = a.Val
		}
	}
	return kind
}
