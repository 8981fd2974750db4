package hulltest

import (
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hullbeam/hull"
)

// controlLength bounds what a request may ask for.
const controlLength = 1 << 20

// Control is a handler by which somebody at this machine plays Hull: what it is asked
// for is changed in s and told to the connectors before it answers. It is for
// development: whoever reaches it needs no key, so requests that name another host than
// this machine (DNS rebinding), that pages of other origins cause, or whose body is not
// JSON are refused.
//
//	GET    /                     what there is: users, segments, settings
//	GET    /calls                what Hullbeam asked, the newest thousand, oldest first
//	POST   /users/{id}           a Change; makes the user when there is none
//	DELETE /users/{id}
//	POST   /users/{id}/merge     {"absorb": "the other user's id"}
//	POST   /segments/{id}        {"name": …, "type": …}: makes or renames it
//	DELETE /segments/{id}
//	POST   /settings/{connector} Settings
//	POST   /replay               {}: all users again
//	POST   /extract              {"format": "json" or "csv"}: all users, as a file
func Control(s *Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, s.state()) })
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, s.callsWithoutSecrets()) })
	mux.HandleFunc("POST /users/{id}", play(func(r *http.Request, c Change) (any, error) {
		return s.ChangeUser(r.Context(), r.PathValue("id"), c)
	}))
	mux.HandleFunc("DELETE /users/{id}", play(func(r *http.Request, _ struct{}) (any, error) {
		return s.DeleteUser(r.Context(), r.PathValue("id"))
	}))
	mux.HandleFunc("POST /users/{id}/merge", play(func(r *http.Request, with struct{ Absorb string }) (any, error) {
		return s.MergeUsers(r.Context(), r.PathValue("id"), with.Absorb)
	}))
	mux.HandleFunc("POST /segments/{id}", play(func(r *http.Request, segment struct{ Name, Type string }) (any, error) {
		return s.PutSegment(r.Context(), r.PathValue("id"), segment.Name, segment.Type)
	}))
	mux.HandleFunc("DELETE /segments/{id}", play(func(r *http.Request, _ struct{}) (any, error) {
		return s.DeleteSegment(r.Context(), r.PathValue("id"))
	}))
	mux.HandleFunc("POST /settings/{connector}", play(func(r *http.Request, change Settings) (any, error) {
		return s.ChangeSettings(r.Context(), r.PathValue("connector"), change)
	}))
	mux.HandleFunc("POST /replay", play(func(r *http.Request, _ struct{}) (any, error) { return s.Replay(r.Context()) }))
	mux.HandleFunc("POST /extract", play(func(r *http.Request, of struct{ Format string }) (any, error) {
		return s.SendExtract(r.Context(), of.Format)
	}))
	return FromThisMachine(mux)
}

// FromThisMachine refuses what came by a name that is not this machine's own, and what
// pages of other origins cause.
func FromThisMachine(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
			writeJSON(w, http.StatusForbidden, map[string]string{"error": "this is for localhost and loopback addresses alone"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// play reads what is asked for, does it, and answers what it came to: 502 when a
// connector was not reached. A request without a body has no type.
func play[T any](do func(*http.Request, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked T
		if r.ContentLength != 0 {
			kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
			decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, controlLength))
			decoder.UseNumber()
			decoder.DisallowUnknownFields()
			if kind != "application/json" {
				writeJSON(w, http.StatusUnsupportedMediaType, map[string]string{"error": "Content-Type is not application/json"})
				return
			} else if err := decoder.Decode(&asked); err != nil {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
		}
		result, err := do(r, asked)
		switch {
		case errors.Is(err, ErrNotFound):
			writeJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		case errors.Is(err, ErrInvalid):
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		case err != nil:
			writeJSON(w, http.StatusBadGateway, map[string]any{"error": err.Error(), "sent": result})
		default:
			writeJSON(w, http.StatusOK, map[string]any{"sent": result})
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// state is what there is, without secrets.
func (s *Server) state() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	connectors := map[string]any{}
	for id, c := range s.connectors {
		var app struct {
			Settings        map[string]any `json:"settings"`
			PrivateSettings map[string]any `json:"private_settings"`
			UpdatedAt       string         `json:"updated_at"`
		}
		json.Unmarshal(c.app, &app) // who put it in knows what is in it
		delete(app.PrivateSettings, "identity_secret")
		connectors[id] = map[string]any{
			"organization": c.credentials.Organization, "settings": app.Settings, "private_settings": app.PrivateSettings, "updated_at": app.UpdatedAt,
		}
	}
	return map[string]any{
		"users": maps.Clone(s.users), "connectors": connectors,
		"segments": slices.Concat(s.segmentsLocked(usersSegment), s.segmentsLocked(accountsSegment)),
	}
}

// shownCall is a call without its headers, which have tokens and secrets.
type shownCall struct {
	At        time.Time    `json:"at"`
	Method    string       `json:"method"`
	Path      string       `json:"path"`
	Connector string       `json:"connector"`
	Topics    []string     `json:"topics,omitzero"`
	Reported  *hull.Status `json:"reported,omitzero"`
	Entries   []Entry      `json:"entries,omitzero"`
	Status    int          `json:"status"`
}

func (s *Server) callsWithoutSecrets() []shownCall {
	shown := []shownCall{}
	for _, c := range s.Calls() {
		shown = append(shown, shownCall{c.At, c.Method, strings.ReplaceAll(c.Path, s.extractKey, "…"), c.Connector, topicTexts(c.Claims), c.Reported, c.Entries, c.Status})
	}
	return shown
}
