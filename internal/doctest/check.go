package doctest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"io"
	"net/http"
	"net/textproto"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// CheckJSON reads values that follow each other.
func CheckJSON(text string) error {
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var value any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// CheckYAML reads documents of YAML.
func CheckYAML(text string) error {
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var value any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// CheckGo reads a piece of Go.
func CheckGo(text string) error {
	_, err := format.Source([]byte(text))
	return err
}

// CheckEvents reads an event stream: every event is known, and has JSON as data.
func CheckEvents(text string, known func(event string) bool) error {
	for line := range strings.Lines(text) {
		field, value, found := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch {
		case field == "" && !found, field == "id", field == "retry":
		case field == "event" && known(value):
		case field == "data":
			if err := CheckJSON(value); err != nil {
				return fmt.Errorf("%s: %w", value, err)
			}
		default:
			return fmt.Errorf("%q is of no event that is known", line)
		}
	}
	return nil
}

var requestLine = regexp.MustCompile(`^[A-Z]+ \S+( HTTP/\d(\.\d)?)?\n`)

// CheckHTTP reads an answer, a request, or headers, and a body of JSON under them.
func CheckHTTP(text string) error {
	head, body, _ := strings.Cut(text, "\n\n")
	head += "\n"
	if strings.HasPrefix(head, "HTTP/") {
		first, _, _ := strings.Cut(head, "\n")
		if _, err := http.ReadResponse(bufio.NewReader(strings.NewReader(first+"\r\n\r\n")), nil); err != nil {
			return err
		}
		_, head, _ = strings.Cut(head, "\n")
	} else if line := requestLine.FindString(head); line != "" {
		head = head[len(line):]
	}
	headers, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head + "\n"))).ReadMIMEHeader()
	if err != nil {
		return err
	}
	if strings.Contains(headers.Get("Content-Type"), "json") {
		return CheckJSON(body)
	}
	return nil
}

// CheckQuote looks whether the lines of a block stand in a file in this order, one after
// the other, but for where a line is … alone. Their indentation may be another.
func CheckQuote(text string, file []byte) error {
	lines := bytes.Split(file, []byte("\n"))
	at, free := 0, true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "…" {
			free = true
			continue
		}
		from := at
		for at < len(lines) && string(bytes.TrimSpace(lines[at])) != line {
			at++
		}
		if at == len(lines) || !free && at != from {
			return fmt.Errorf("the file does not have in this place: %s", line)
		}
		at, free = at+1, false
	}
	return nil
}

// commands are how lines of a terminal begin: they have to be shell, which is run.
var commands = regexp.MustCompile(`(?m)^\s*(\$ |curl |hullbeam |\./hullbeam |go run |make |docker |kubectl |helm )`)

// CheckText looks that nothing in it is a command.
func CheckText(text string) error {
	if command := commands.FindString(text); command != "" {
		return fmt.Errorf("%q begins a command: make it a block of sh", command)
	}
	return nil
}
