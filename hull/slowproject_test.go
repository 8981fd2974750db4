package hull_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// slowProject is docs/hull-protocol.md 10.4 written down with encoding/json and maps,
// rule by rule, for comparison. nil: private.
func slowProject(private []byte, message any, signed bool) map[string]any {
	settings := slowObject(private)
	lists := func(name string) []string { list, _ := slowList(settings[name]); return list }
	traits, segments := lists("public_traits"), lists("public_segments")
	if _, ok := settings["public_traits_unsigned"]; ok && !signed {
		traits = lists("public_traits_unsigned")
	}
	if _, ok := settings["public_segments_unsigned"]; ok && !signed {
		segments = lists("public_segments_unsigned")
	}
	m := message.(map[string]any)
	user := m["user"].(map[string]any)
	if filter, exists := settings["synchronized_segments"]; exists && slowPrivate(filter, m, user) {
		return nil
	}
	account, _ := m["account"].(map[string]any)
	return map[string]any{
		"message":          "ok",
		"user":             slowUser(user, traits),
		"account":          slowAccount(account, traits),
		"segments":         slowNames(slowSegments(m), segments, "id", "name"),
		"account_segments": slowNames(m["account_segments"], lists("public_account_segments"), "id", "name"),
		"events":           slowNames(m["events"], lists("public_events"), "event", "event"),
	}
}

func slowObject(data []byte) map[string]any {
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	if !json.Valid(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))) || d.Decode(&object) != nil {
		return nil
	}
	return object
}

func slowList(v any) (texts []string, ok bool) {
	list, ok := v.([]any)
	for _, v := range list {
		text, isText := v.(string)
		if !isText {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, ok
}

func slowSegments(m map[string]any) any {
	if list, ok := m["segments"].([]any); ok {
		return list
	}
	return m["user_segments"]
}

func slowPrivate(filter any, m, user map[string]any) bool {
	wanted, ok := slowList(filter)
	if !ok {
		return true
	}
	if len(wanted) == 0 || slices.Contains(wanted, "ALL") {
		return false
	}
	var ids []any
	if segments, ok := slowSegments(m).([]any); ok {
		for _, s := range segments {
			segment, _ := s.(map[string]any)
			ids = append(ids, segment["id"])
		}
	} else if ids, ok = m["segment_ids"].([]any); !ok {
		ids, _ = user["segment_ids"].([]any)
	}
	return !slices.ContainsFunc(ids, func(id any) bool {
		text, ok := id.(string)
		return ok && slices.Contains(wanted, text)
	})
}

func slowUser(user map[string]any, traits []string) map[string]any {
	var names []string
	for _, name := range traits {
		if !strings.HasPrefix(name, "account.") {
			names = append(names, strings.TrimPrefix(name, "traits_"))
		}
	}
	found := make(map[string]any)
	for name, value := range user {
		if short := strings.TrimPrefix(name, "traits_"); short != name && slices.Contains(names, short) {
			found[short] = value
		}
	}
	for name, value := range user {
		if !strings.HasPrefix(name, "traits_") && slices.Contains(names, name) {
			found[name] = value
		}
	}
	for _, name := range []string{"segments", "account", "account_segments", "events", "changes"} {
		delete(found, name)
	}
	public := slowGroup(found)
	public["id"] = user["id"]
	return public
}

func slowGroup(found map[string]any) map[string]any {
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if n := strings.Count(a, "/") - strings.Count(b, "/"); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	public := make(map[string]any)
	for _, name := range names {
		parts := strings.Split(name, "/")
		if len(parts) > 64 || slices.ContainsFunc(parts, func(part string) bool {
			return part == "__proto__" || part == "constructor" || part == "prototype"
		}) {
			continue
		}
		slowSet(public, parts, found[name])
	}
	return public
}

func slowSet(into map[string]any, parts []string, value any) {
	for _, part := range parts[:len(parts)-1] {
		next, ok := into[part].(map[string]any)
		switch {
		case ok:
		case into[part] == nil:
			next = make(map[string]any)
			into[part] = next
		default:
			return
		}
		into = next
	}
	into[parts[len(parts)-1]] = value
}

func slowAccount(account map[string]any, traits []string) map[string]any {
	public := make(map[string]any)
	for _, name := range traits {
		if name, ok := strings.CutPrefix(name, "account."); ok {
			name = strings.TrimPrefix(name, "traits_")
			if value, ok := account[name]; ok {
				public[name] = value
			}
		}
	}
	return public
}

func slowNames(list any, public []string, id, name string) []any {
	names := []any{}
	entries, _ := list.([]any)
	for _, entry := range entries {
		object, _ := entry.(map[string]any)
		text, isText := object[id].(string)
		label, isLabel := object[name].(string)
		if isText && isLabel && slices.Contains(public, text) {
			names = append(names, label)
		}
	}
	return names
}
