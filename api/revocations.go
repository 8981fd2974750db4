package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"hullbeam/store"
	"hullbeam/stream"
)

// revocations are a connector's tokens that are refused though they have not expired, as
// this node knows them: all that the store has, since a token is looked at without asking
// it (docs/decisions/0031-revocations.md).
type revocations struct {
	mu    sync.RWMutex
	named map[string]store.Revocation // of those of a name the latest
	last  time.Time                   // when the latest was made
}

const (
	// revocationSkew is how far the clock of the node that made a token may be ahead of
	// that of the node that revoked it.
	revocationSkew = 5 * time.Second
	// maxRevocations bounds those of a connector; what comes above it revokes all its
	// tokens, so that nothing is forgotten.
	maxRevocations = 100_000
)

// everyToken is the name of what all tokens of a connector have in common.
const everyToken = ""

// revocationName is the name of tokens with a topic: a hash, for a list of topics says who
// they are. That of a visitor's is that of a topic of the kind visitor, which there is not.
func revocationName(connectorID, topic string) string {
	sum := sha256.Sum256([]byte("revoked\x00" + connectorID + "\x00" + topic))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func visitorTopic(visitor string) string { return "visitor:" + visitor }

// take enters revocations, and returns the names of those that were not known. Those that
// were made until since are forgotten.
func (r *revocations) take(revoked []store.Revocation, since time.Time) (news map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.named, func(_ string, known store.Revocation) bool { return !known.At.After(since) })
	news = make(map[string]bool)
	for _, v := range revoked {
		if known, ok := r.named[v.Name]; ok && !v.At.After(known.At) {
			continue
		}
		if all, ok := r.named[everyToken]; ok && !v.At.After(all.At) {
			continue
		}
		if r.named == nil {
			r.named = make(map[string]store.Revocation)
		}
		r.named[v.Name], news[v.Name], r.last = v, true, later(r.last, v.At)
	}
	if all, ok := r.named[everyToken]; ok { // it says all that those before it do
		maps.DeleteFunc(r.named, func(name string, v store.Revocation) bool { return name != everyToken && !v.At.After(all.At) })
	}
	return news
}

// missing are those known here that others does not have.
func (r *revocations) missing(others []store.Revocation) (missing []store.Revocation) {
	has := make(map[string]time.Time, len(others))
	for _, v := range others {
		has[v.Name] = later(has[v.Name], v.At)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, v := range r.named {
		if v.At.After(has[name]) && v.At.After(has[everyToken]) {
			missing = append(missing, v)
		}
	}
	return missing
}

// refuses tells whether a grant's token was revoked.
func (r *revocations) refuses(g stream.Grant) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.named) == 0 || g.Issued.After(r.last.Add(revocationSkew)) {
		return false // as with nearly all
	}
	for name := range revocationNames(g) {
		if v, ok := r.named[name]; ok && !g.Issued.After(v.At.Add(revocationSkew)) {
			return true
		}
	}
	return false
}

// revocationNames yields all names by which a grant's token may be revoked.
func revocationNames(g stream.Grant) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(everyToken) || !yield(revocationName(g.Connector, visitorTopic(g.Visitor))) {
			return
		}
		for _, t := range g.Topics {
			if !yield(revocationName(g.Connector, t.Name)) {
				return
			}
		}
	}
}

// issue is the time to be said of a token that is made now: one that no revocation that is
// known here refuses.
func (r *revocations) issue(now time.Time) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.last.IsZero() {
		return now
	}
	return later(now, r.last.Add(revocationSkew+time.Millisecond))
}

// at is the time of a revocation that is made now: behind that of every other which is
// known here, for tokens are dated by that (issue) also when the clock that said it was
// ahead of ours. Stores keep microseconds.
func (r *revocations) at(now time.Time) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.last.IsZero() {
		return now.Truncate(time.Microsecond)
	}
	return later(now, r.last.Add(time.Millisecond)).Truncate(time.Microsecond)
}

// full tells whether so many more are too many.
func (r *revocations) full(more int) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.named)+more > maxRevocations
}

// revoke ends the streams of tokens with any of these topics, on all nodes, and has those
// tokens refused from now on. The pages of streams that follow user are told that it is not
// there any more; "": nobody is told.
func (s *Server) revoke(ctx context.Context, conn *connector, topics []string, user string) error {
	if conn.revoked.full(len(topics)) {
		return s.revokeAll(ctx, conn)
	}
	var names []string
	for _, topic := range topics {
		names = append(names, revocationName(conn.id, topic))
	}
	return s.revokeNamed(ctx, conn, names, user)
}

// revokeAll is revoke for all tokens of a connector.
func (s *Server) revokeAll(ctx context.Context, conn *connector) error {
	return s.revokeNamed(ctx, conn, []string{everyToken}, "")
}

func (s *Server) revokeNamed(ctx context.Context, conn *connector, names []string, user string) error {
	revoked := s.revocationsNow(conn, names)
	if err := s.store.Revoke(ctx, conn.id, revoked, s.revokedSince()); err != nil {
		return fmt.Errorf("revoking tokens: %w", err)
	}
	s.takeRevocations(conn, revoked, user)
	if s.cluster == nil {
		return nil
	}
	for chunk := range slices.Chunk(revoked, revocationsTold) {
		if _, err := s.cluster.tell(ctx, conn.id, told{Op: opRevoked, Revoked: chunk, User: user}); err != nil {
			return fmt.Errorf("%w: telling the other nodes of a revocation: %w", store.ErrUnavailable, err)
		}
	}
	return nil
}

// revocationsNow are those of names as of now.
func (s *Server) revocationsNow(conn *connector, names []string) []store.Revocation {
	at := conn.revoked.at(s.now())
	revoked := make([]store.Revocation, len(names))
	for i, name := range names {
		revoked[i] = store.Revocation{Name: name, At: at}
	}
	return revoked
}

// revokedSince is when the last of the tokens was made that have expired by now: older
// revocations are of no use.
func (s *Server) revokedSince() time.Time {
	return s.now().Add(-max(s.cfg.Stream.TokenTTL, s.cfg.Stream.VisitWindow) - 2*revocationSkew)
}

// revokeDeleted has the tokens refused that a connector's pages, whose streams had ended,
// have asked for until it was deleted. What is told of it would reach nobody.
func (s *Server) revokeDeleted(ctx context.Context, deleted *connector) error {
	revoked := s.revocationsNow(deleted, []string{everyToken})
	if err := s.store.Revoke(ctx, deleted.id, revoked, s.revokedSince()); err != nil {
		return fmt.Errorf("revoking the tokens of a deleted connector: %w", err)
	}
	if again := s.connectors.known(deleted.id); again != nil { // it was put in meanwhile
		s.takeRevocations(again, revoked, "")
	}
	return nil
}

// revocationsTold is how many revocations are told in one message.
const revocationsTold = 1000

// takeRevocations has tokens refused on this node, and ends their streams.
func (s *Server) takeRevocations(conn *connector, revoked []store.Revocation, user string) {
	news := conn.revoked.take(revoked, s.revokedSince())
	if len(news) == 0 {
		return
	}
	for _, sub := range s.broker.Subscribers(conn.id) {
		if !news[everyToken] && !isNamed(conn.id, sub, news) {
			continue
		}
		sub.EndWithout(user, stream.ReasonRevoked, s.broker.Retry())
	}
}

// isNamed tells whether a stream has one of the names.
func isNamed(connectorID string, sub *stream.Subscriber, names map[string]bool) bool {
	for topic := range sub.Topics() {
		if names[revocationName(connectorID, topic)] {
			return true
		}
	}
	return names[revocationName(connectorID, visitorTopic(sub.Visitor()))]
}

// readRevocations reads what other nodes have revoked, and writes back what the store has
// lost.
func (s *Server) readRevocations(ctx context.Context, conn *connector) error {
	revoked, err := s.store.Revocations(ctx, conn.id, s.revokedSince())
	if err != nil {
		return fmt.Errorf("reading the revocations of connector %s: %w", conn.id, err)
	}
	s.takeRevocations(conn, revoked, "")
	return s.store.Revoke(ctx, conn.id, conn.revoked.missing(revoked), s.revokedSince())
}
