package hulltest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ErrNotFound: there is no such user, segment or connector.
var ErrNotFound = errors.New("not found in the pretend Hull")

// ErrInvalid: Hull could do this with no user, segment or connector.
var ErrInvalid = errors.New("not a request")

// Connect has a connector notified from now on: of all that is changed, at
// {url}/smart-notifier, and of extracts at {url}/batch. The url has no path.
func (s *Server) Connect(connectorID, url string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.connectors[connectorID]
	if !ok {
		return fmt.Errorf("connector %s: %w", connectorID, ErrNotFound)
	}
	known.url = url
	s.connectors[connectorID] = known
	return nil
}

// take waits for the turn: changes, and the notifications of them, come one after the
// other. The caller gives it back.
func (s *Server) take(ctx context.Context) (giveBack func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ChangeUser changes a user, who is made when there is none with the id, and tells the
// connectors. Segments nobody knows are made as well. The change holds also when a
// connector does not take it, as its Delivery says, or is not reached.
func (s *Server) ChangeUser(ctx context.Context, id string, c Change) ([]Delivery, error) {
	c, err := normal(c)
	if err != nil {
		return nil, err
	}
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	return s.notify(ctx, notification{channel: "user:update", messages: []any{s.changeUser(id, c, nil)}})
}

// PutUser is ChangeUser without telling anybody.
func (s *Server) PutUser(id string, c Change) error {
	c, err := normal(c)
	if err == nil {
		s.changeUser(id, c, nil)
	}
	return err
}

// changeUser returns what the connectors are to be told. event is one of Hull's own.
func (s *Server) changeUser(id string, c Change, event map[string]any) map[string]any {
	now := time.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, segment := range c.Enter {
		if _, ok := s.segments[segment]; !ok {
			s.segments[segment] = Segment{segment, segment, usersSegment, now, now}
		}
	}
	before := s.users[id]
	after := before.change(c)
	after.Traits["id"] = id
	after.Traits["indexed_at"] = now.Format(time.RFC3339Nano)
	s.users[id] = after
	m := message(before, after, c.Events, s.segments, now)
	if event != nil {
		m["events"] = append(m["events"].([]any), event)
	}
	return m
}

// normal is a change as if it had come as JSON, so that lists are of one type.
func normal(c Change) (same Change, err error) {
	text, err := json.Marshal(c)
	if err != nil {
		return same, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return same, decoder.Decode(&same)
}

// DeleteUser forgets a user, and says so in the way that nobody has seen Hull do
// (docs/hull-protocol.md 12).
func (s *Server) DeleteUser(ctx context.Context, id string) ([]Delivery, error) {
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	user, err := s.removeUser(id)
	if err != nil {
		return nil, err
	}
	return s.notify(ctx, notification{channel: "user:delete", messages: []any{map[string]any{"user": user.Traits}}})
}

func (s *Server) removeUser(id string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.users[id]
	if !ok {
		return user, fmt.Errorf("user %s: %w", id, ErrNotFound)
	}
	delete(s.users, id)
	return user, nil
}

// MergeUsers has one user absorb another: the anonymous ids are the survivor's from
// then on, the other traits those of the survivor where both have them. Nobody absorbs
// themselves: ErrInvalid.
func (s *Server) MergeUsers(ctx context.Context, survivor, absorbed string) ([]Delivery, error) {
	if survivor == absorbed {
		return nil, fmt.Errorf("user %s to absorb themselves: %w", survivor, ErrInvalid)
	}
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	s.mu.Lock()
	kept, ok := s.users[survivor]
	s.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("user %s to survive %s: %w", survivor, absorbed, ErrNotFound)
	}
	gone, err := s.removeUser(absorbed)
	if err != nil {
		return nil, err
	}
	traits := set(gone.Traits, kept.Traits)
	for _, identity := range []string{"email", "external_id"} { // the absorbed one's are nobody's now
		traits[identity] = kept.Traits[identity]
	}
	traits["anonymous_ids"] = slices.Concat(list(kept.Traits), list(gone.Traits))
	m := s.changeUser(survivor, Change{User: traits, Enter: gone.Segments}, merged(kept, gone))
	return s.notify(ctx, notification{channel: "user:update", messages: []any{m}})
}

func list(traits map[string]any) []any {
	ids, _ := traits["anonymous_ids"].([]any)
	return ids
}

// merged is the event by which Hull tells of a merge (docs/hull-protocol.md 2.8).
func merged(kept, gone User) map[string]any {
	properties := map[string]any{}
	for prefix, traits := range map[string]map[string]any{"user_": kept.Traits, "merged_": gone.Traits} {
		properties[prefix+"id"] = traits["id"]
		for _, name := range []string{"email", "external_id"} {
			properties[prefix+name] = traits[name]
		}
		properties[prefix+"anonymous_ids"] = slices.Concat([]any{}, list(traits))
	}
	return map[string]any{
		"event": "User merged", "event_type": "user_merged", "event_source": "hull", "notify": true, "context": map[string]any{},
		"event_id": fmt.Sprintf("%v:%v:merged", kept.Traits["id"], gone.Traits["id"]), "user_id": kept.Traits["id"],
		"created_at": time.Now().UTC().Format(time.RFC3339), "properties": properties,
	}
}

// PutSegment makes or renames a segment of users, or one of accounts when the type is
// "accounts_segment". Of a known one the type stays.
func (s *Server) PutSegment(ctx context.Context, id, name, kind string) ([]Delivery, error) {
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	now := time.Now().UTC()
	s.mu.Lock()
	segment, ok := s.segments[id]
	if !ok {
		segment = Segment{ID: id, Type: usersSegment, CreatedAt: now}
		if kind == accountsSegment {
			segment.Type = kind
		}
	}
	segment.Name, segment.UpdatedAt = name, now
	s.segments[id] = segment
	s.mu.Unlock()
	return s.notify(ctx, notification{channel: segment.Type + ":update", messages: []any{segment}})
}

// DeleteSegment deletes a segment. The users who were in it are told with what changes
// next of them, as Hull does it.
func (s *Server) DeleteSegment(ctx context.Context, id string) ([]Delivery, error) {
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	s.mu.Lock()
	segment, ok := s.segments[id]
	delete(s.segments, id)
	s.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("segment %s: %w", id, ErrNotFound)
	}
	segment.UpdatedAt = time.Now().UTC()
	return s.notify(ctx, notification{channel: segment.Type + ":delete", messages: []any{segment}})
}

// Settings are a connector's, or members of them that are set, or removed by a null.
type Settings struct {
	Settings        map[string]any `json:"settings"`
	PrivateSettings map[string]any `json:"private_settings"`
}

// ChangeSettings changes a connector's settings, and tells all connectors.
func (s *Server) ChangeSettings(ctx context.Context, connectorID string, change Settings) ([]Delivery, error) {
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	app, err := s.changeSettings(connectorID, change)
	if err != nil {
		return nil, err
	}
	return s.notify(ctx, notification{channel: "ship:update", messages: []any{app}})
}

func (s *Server) changeSettings(connectorID string, change Settings) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.connectors[connectorID]
	if !ok {
		return nil, fmt.Errorf("connector %s: %w", connectorID, ErrNotFound)
	}
	var app map[string]any
	if err := json.Unmarshal(known.app, &app); err != nil {
		return nil, err
	}
	for name, members := range map[string]map[string]any{"settings": change.Settings, "private_settings": change.PrivateSettings} {
		before, _ := app[name].(map[string]any)
		app[name] = set(before, members)
	}
	app["updated_at"] = time.Now().UTC().Format(time.RFC3339Nano)
	text, err := json.Marshal(app)
	if err != nil {
		return nil, err
	}
	known.app = text
	s.connectors[connectorID] = known
	return text, nil
}

// Replay sends all users again, as a replay from Hull's dashboard does.
func (s *Server) Replay(ctx context.Context) ([]Delivery, error) {
	giveBack, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	s.mu.Lock()
	n := notification{channel: "user:update", export: true}
	for _, id := range slices.Sorted(maps.Keys(s.users)) {
		n.messages = append(n.messages, plainMessage(s.users[id], s.segments))
	}
	s.mu.Unlock()
	return s.notify(ctx, n)
}
