package hulltest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/hull"
)

// KeyPath is where a Server serves its key. Hull's own path is not known.
const KeyPath = "/public-key"

// callsKept is how many calls are recorded, the newest.
const callsKept = 1000

// Server is a pretend Hull, for one organization: an http.Handler to be put on a
// listener or behind httptest.NewServer. It may be used by many goroutines.
type Server struct {
	mux *http.ServeMux

	mu         sync.Mutex
	key        *Key
	connectors map[string]connector
	calls      []Call
}

type connector struct {
	credentials hull.Credentials
	app         json.RawMessage
	reports     []report
}

type report struct {
	raw    json.RawMessage
	topics []hull.Topic
}

// Call is what a Server was asked.
type Call struct {
	Path      string
	Header    http.Header
	Connector string      // Hull-App-Id
	Claims    hull.Claims // of a user_report with a good access token
	Status    int         // of the answer
}

// NewServer returns a server without connectors that serves the public half of
// key.
func NewServer(key *Key) *Server {
	s := &Server{mux: http.NewServeMux(), key: key, connectors: make(map[string]connector)}
	s.mux.HandleFunc("POST "+KeyPath, s.answer(s.publicKey))
	s.mux.HandleFunc("GET /api/v1/app", s.answer(s.app))
	s.mux.HandleFunc("GET /api/v1/me/user_report", s.answer(s.userReport))
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetKey rotates the key.
func (s *Server) SetKey(key *Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// PutConnector makes a connector known. GET app answers with app, or with the id
// alone when app is nil.
func (s *Server) PutConnector(credentials hull.Credentials, app json.RawMessage) {
	if app == nil {
		app, _ = json.Marshal(map[string]string{"id": credentials.ConnectorID})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.connectors[credentials.ConnectorID]
	known.credentials, known.app = credentials, app
	s.connectors[credentials.ConnectorID] = known
}

// PutReport makes a user known to a connector, by the id, external_id, email and
// anonymous_ids of the report. The newest report of several that match is found.
func (s *Server) PutReport(connectorID string, raw json.RawMessage) error {
	var user struct {
		ID           string   `json:"id"`
		ExternalID   string   `json:"external_id"`
		Email        string   `json:"email"`
		AnonymousIDs []string `json:"anonymous_ids"`
	}
	if err := json.Unmarshal(raw, &user); err != nil {
		return err
	}
	claims := hull.Claims{ID: user.ID, ExternalID: user.ExternalID, Email: user.Email, AnonymousIDs: user.AnonymousIDs}
	topics := claims.Topics()
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.connectors[connectorID]
	known.reports = slices.Insert(slices.Clone(known.reports), 0, report{raw, topics})
	s.connectors[connectorID] = known
	return nil
}

// Calls returns what was asked so far, oldest first, of the newest thousand.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// reply is what a request gets.
type reply struct {
	status int
	body   []byte
	claims hull.Claims
}

func failure(status int, message string) reply {
	body, _ := json.Marshal(map[string]any{"status": status, "message": message})
	return reply{status: status, body: body}
}

func (s *Server) answer(handle func(*http.Request) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply := handle(r)
		s.record(Call{r.URL.Path, r.Header.Clone(), r.Header.Get("Hull-App-Id"), reply.claims, reply.status})
		if json.Valid(reply.body) {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(reply.status)
		w.Write(reply.body)
	}
}

func (s *Server) record(call Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) == callsKept {
		s.calls = slices.Delete(s.calls, 0, 1)
	}
	s.calls = append(s.calls, call)
}

func (s *Server) publicKey(*http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return reply{status: http.StatusOK, body: []byte(s.key.PublicPEM())}
}

func (s *Server) app(r *http.Request) reply {
	known, ok := s.connector(r)
	switch {
	case !ok:
		return failure(http.StatusNotFound, "App not found")
	case r.Header.Get("Hull-Access-Token") != known.credentials.Secret:
		return failure(http.StatusUnauthorized, "Unauthorized")
	}
	return reply{status: http.StatusOK, body: known.app}
}

func (s *Server) userReport(r *http.Request) reply {
	known, ok := s.connector(r)
	if !ok {
		return failure(http.StatusNotFound, "App not found")
	}
	claims, err := readAccessToken(r.Header.Get("Hull-Access-Token"), known.credentials)
	if err != nil {
		return failure(http.StatusUnauthorized, err.Error())
	}
	answer := failure(http.StatusNotFound, "User not found")
	if found, ok := known.find(claims); ok {
		answer = reply{status: http.StatusOK, body: found}
	}
	answer.claims = claims
	return answer
}

// connector returns the one that a request names, if its organization is right.
func (s *Server) connector(r *http.Request) (connector, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.connectors[r.Header.Get("Hull-App-Id")]
	return known, ok && known.credentials.Organization == r.Header.Get("Hull-Organization")
}

// find resolves an identity as Hull does: the best claim that matches decides.
func (c connector) find(claims hull.Claims) (json.RawMessage, bool) {
	for _, topic := range claims.Topics() {
		for _, report := range c.reports {
			if slices.Contains(report.topics, topic) {
				return report.raw, true
			}
		}
	}
	return nil, false
}

// readAccessToken demands of a token what Hull demands, and that it creates no
// user, which Hull leaves open.
func readAccessToken(token string, credentials hull.Credentials) (hull.Claims, error) {
	registered := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, registered,
		func(*jwt.Token) (any, error) { return []byte(credentials.Secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer(credentials.ConnectorID))
	if err != nil {
		return hull.Claims{}, errors.New("invalid access token")
	}
	scopes, _ := registered["scopes"].([]any)
	switch {
	case !slices.Contains(scopes, any("admin")):
		return hull.Claims{}, errors.New("scope admin is missing")
	case registered["io.hull.create"] != false:
		return hull.Claims{}, errors.New("io.hull.create is not false")
	case registered["io.hull.subjectType"] != "user":
		return hull.Claims{}, errors.New("io.hull.subjectType is not user")
	}
	asUser, err := json.Marshal(registered["io.hull.asUser"])
	if err != nil {
		return hull.Claims{}, err
	}
	return hull.ParseClaims(asUser, hull.ClaimLimits{})
}
