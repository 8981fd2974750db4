package hulltest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"hullbeam/hull"
)

// KeyPath is where a Server serves its key. Hull's own path is not known.
const KeyPath = "/public-key"

const (
	callsKept  = 1000     // calls that are recorded, the newest
	callLength = 20 << 20 // bytes of a call's body
)

// Server is a pretend Hull, for one organization: an http.Handler to be put on a
// listener or behind httptest.NewServer. It may be used by many goroutines.
type Server struct {
	mux  *http.ServeMux
	http *http.Client
	turn chan struct{} // has an element while somebody changes something: notifications keep its order

	mu         sync.Mutex
	key        *Key
	connectors map[string]connector
	users      map[string]User
	segments   map[string]Segment
	calls      []Call
	batch      int    // messages in the next notification, as flow control has said
	url        string // of this server
	extractKey string // keeps extracts from who has not been told
}

type connector struct {
	credentials hull.Credentials
	app         json.RawMessage
	reports     []report
	url         string // of its service; empty: it is not notified
}

type report struct {
	raw    json.RawMessage
	topics []hull.Topic
}

// Call is what a Server was asked.
type Call struct {
	At        time.Time
	Method    string
	Path      string
	Header    http.Header
	Connector string       // Hull-App-Id
	Claims    hull.Claims  // of a user_report with a good access token
	Reported  *hull.Status // the connector's, when this was to report it
	Entries   []Entry      // of a firehose, all with good access tokens
	Status    int          // of the answer
}

// NewServer returns a server without connectors that serves the public half of
// key.
func NewServer(key *Key) *Server {
	s := &Server{
		mux: http.NewServeMux(), http: newHTTPClient(), turn: make(chan struct{}, 1), key: key,
		connectors: make(map[string]connector), users: make(map[string]User), segments: make(map[string]Segment),
		batch: firstBatch, extractKey: rand.Text(),
	}
	for pattern, handle := range map[string]func(*http.Request) reply{
		"POST " + KeyPath:               s.publicKey,
		"GET /api/v1/app":               s.app,
		"GET /api/v1/{ship}":            s.app,
		"PUT /api/v1/{ship}/status":     s.putStatus,
		"GET /api/v1/users_segments":    s.listSegments(usersSegment),
		"GET /api/v1/accounts_segments": s.listSegments(accountsSegment),
		"GET /api/v1/me/user_report":    s.userReport,
		"POST /api/v1/firehose":         s.firehose,
		"GET /extracts/{key}/{format}":  s.extract,
	} {
		s.mux.HandleFunc(pattern, s.answer(handle))
	}
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
// anonymous_ids of the report, which is answered as it is. The newest report of several
// that match is found, and before the users of ChangeUser.
func (s *Server) PutReport(connectorID string, raw json.RawMessage) error {
	topics, err := reportTopics(raw)
	if err != nil {
		return err
	}
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

// reply is what a request gets, and what is recorded of it besides.
type reply struct {
	status int
	body   []byte
	call   Call
}

func failure(status int, message string) reply {
	body, _ := json.Marshal(map[string]any{"status": status, "message": message})
	return reply{status: status, body: body}
}

func ok(body any) reply {
	text, _ := json.Marshal(body) // what came as JSON
	return reply{status: http.StatusOK, body: text}
}

func (s *Server) answer(handle func(*http.Request) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, callLength)
		reply := handle(r)
		call := reply.call
		call.At, call.Method, call.Path, call.Header = time.Now(), r.Method, r.URL.Path, r.Header.Clone()
		call.Connector, call.Status = r.Header.Get("Hull-App-Id"), reply.status
		s.record(call)
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

// authorized returns the connector that a request is of, by the connector's own secret.
func (s *Server) authorized(r *http.Request) (connector, *reply) {
	known, found := s.connector(r)
	refusal := failure(http.StatusNotFound, "App not found")
	if found && r.Header.Get("Hull-Access-Token") == known.credentials.Secret {
		return known, nil
	} else if found {
		refusal = failure(http.StatusUnauthorized, "Unauthorized")
	}
	return connector{}, &refusal
}

func (s *Server) app(r *http.Request) reply {
	known, refusal := s.authorized(r)
	if refusal != nil {
		return *refusal
	}
	if ship := r.PathValue("ship"); ship != "" && ship != known.credentials.ConnectorID {
		return failure(http.StatusNotFound, "App not found")
	}
	return reply{status: http.StatusOK, body: known.app}
}

func (s *Server) putStatus(r *http.Request) reply {
	known, refusal := s.authorized(r)
	if refusal != nil {
		return *refusal
	}
	status := &hull.Status{}
	if err := json.NewDecoder(r.Body).Decode(status); err != nil || r.PathValue("ship") != known.credentials.ConnectorID {
		return failure(http.StatusBadRequest, "not a status of this app")
	}
	answer := ok(status)
	answer.call.Reported = status
	return answer
}

func (s *Server) listSegments(kind string) func(*http.Request) reply {
	return func(r *http.Request) reply {
		if _, refusal := s.authorized(r); refusal != nil {
			return *refusal
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return ok(s.segmentsLocked(kind))
	}
}

func (s *Server) userReport(r *http.Request) reply {
	known, found := s.connector(r)
	if !found {
		return failure(http.StatusNotFound, "App not found")
	}
	token, err := readAccessToken(r.Header.Get("Hull-Access-Token"), known.credentials)
	if err == nil {
		err = token.checkReader()
	}
	if err != nil {
		return failure(http.StatusUnauthorized, err.Error())
	}
	answer := failure(http.StatusNotFound, "User not found")
	if report, found := s.find(known, token.Claims); found {
		answer = reply{status: http.StatusOK, body: report}
	}
	answer.call.Claims = token.Claims
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
func (s *Server) find(c connector, claims hull.Claims) (json.RawMessage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range claims.Topics() {
		for _, report := range c.reports {
			if slices.Contains(report.topics, topic) {
				return report.raw, true
			}
		}
		for _, id := range slices.Sorted(maps.Keys(s.users)) {
			report := s.users[id].report(s.segments)
			topics, _ := reportTopics(report) // it is an object
			if slices.Contains(topics, topic) {
				return report, true
			}
		}
	}
	return nil, false
}

// reportTopics are those that lead to the user of a report.
func reportTopics(report json.RawMessage) ([]hull.Topic, error) {
	var user struct {
		ID           string   `json:"id"`
		ExternalID   string   `json:"external_id"`
		Email        string   `json:"email"`
		AnonymousIDs []string `json:"anonymous_ids"`
	}
	err := json.Unmarshal(report, &user)
	claims := hull.Claims{ID: user.ID, ExternalID: user.ExternalID, Email: user.Email, AnonymousIDs: user.AnonymousIDs}
	return claims.Topics(), err
}
