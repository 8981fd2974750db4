package hulltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// ServedAt says where the server is reached, which is a part of what it tells of
// extracts.
func (s *Server) ServedAt(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = url
}

// Extracted is what a connector answered when it was told of an extract.
type Extracted struct {
	Connector string `json:"connector"`
	Status    int    `json:"status"`
	Body      string `json:"body"`
}

// SendExtract tells the connectors that all users are in a file, in the format json, an
// object a line, or csv (docs/hull-protocol.md 6). Another format is ErrInvalid.
func (s *Server) SendExtract(ctx context.Context, format string) (answers []Extracted, err error) {
	if format != "json" && format != "csv" {
		return nil, fmt.Errorf("the format %q, neither json nor csv: %w", format, ErrInvalid)
	}
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	s.mu.Lock()
	connectors := slices.Collect(maps.Values(s.connectors))
	body, _ := json.Marshal(map[string]any{ // of texts and segments
		"url": s.url + "/extracts/" + s.extractKey + "/" + format, "format": format, "object_type": "user_report",
		"channel": "user:extract", "notification_id": "user:extract:" + rand.Text(),
		"segments": s.segmentsLocked(usersSegment), "account_segments": s.segmentsLocked(accountsSegment),
	})
	at := s.url
	s.mu.Unlock()
	if at == "" {
		return nil, errors.New("nobody has said where the server is reached")
	}
	for _, c := range connectors {
		if c.url == "" {
			continue
		}
		answer, err := s.postExtract(ctx, c, body)
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func (s *Server) postExtract(ctx context.Context, c connector, body []byte) (Extracted, error) {
	answer := Extracted{Connector: c.credentials.ConnectorID}
	query := url.Values{
		"ship": {c.credentials.ConnectorID}, "organization": {c.credentials.Organization}, "secret": {c.credentials.Secret},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/batch?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.http.Do(request)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the URL has the secret
		}
		return answer, fmt.Errorf("telling of an extract: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	answer.Status, answer.Body = response.StatusCode, string(text)
	return answer, err
}

// extract answers the users as they are now.
func (s *Server) extract(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.PathValue("key") != s.extractKey {
		return failure(http.StatusNotFound, "Extract not found")
	}
	var lines []map[string]any
	for _, id := range slices.Sorted(maps.Keys(s.users)) {
		user := s.users[id]
		lines = append(lines, set(user.Traits, map[string]any{"segment_ids": ids(user.in(s.segments, usersSegment)), "account": orEmpty(user.Account)}))
	}
	switch r.PathValue("format") {
	case "json":
		return reply{status: http.StatusOK, body: jsonLines(lines)}
	case "csv":
		return reply{status: http.StatusOK, body: csvLines(lines)}
	}
	return failure(http.StatusNotFound, "Extract not found")
}

func jsonLines(lines []map[string]any) []byte {
	var text bytes.Buffer
	for _, line := range lines {
		json.NewEncoder(&text).Encode(line) // a buffer takes all, and it came as JSON
	}
	return text.Bytes()
}

// csvLines has a column for each attribute, those of accounts with account. before
// them. How Hull's own look nobody knows.
func csvLines(lines []map[string]any) []byte {
	columns := map[string]bool{}
	for i, line := range lines {
		account, _ := line["account"].(map[string]any)
		line = set(line, map[string]any{"account": nil})
		for name, value := range account {
			line["account."+name] = value
		}
		lines[i] = line
		for name := range line {
			columns[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(columns))
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.Write(names)
	for _, line := range lines {
		row := make([]string, len(names))
		for i, name := range names {
			row[i] = cell(line[name])
		}
		w.Write(row)
	}
	w.Flush()
	return text.Bytes()
}

func cell(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	}
	text, _ := json.Marshal(value) // it came as JSON
	return string(text)
}
