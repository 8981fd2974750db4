package api

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// isForeign tells whether the user whom topics lead to is somebody else than who has
// signed some of a stream's topics: the user has an id, external_id or email, but not the
// one that is signed, and nothing that is signed leads to the user
// (docs/decisions/0029-identity-confusion.md).
func isForeign(topics []string, proven iter.Seq2[string, bool]) bool {
	foreign := false
	for name, signed := range proven {
		if !signed {
			continue
		}
		if slices.Contains(topics, name) {
			return false
		}
		kind := name[:strings.IndexByte(name, ':')+1]
		foreign = foreign || kind != string(hull.KindAnonymousID)+":" &&
			slices.ContainsFunc(topics, func(topic string) bool { return strings.HasPrefix(topic, kind) })
	}
	return foreign
}

// isLedAway tells whether topic number rank of a grant, without a signature, leads to
// somebody else than who has signed the others. It counts.
func (s *Server) isLedAway(g stream.Grant, rank int, topics []string) bool {
	if g.Topics[rank].Signed || !isForeign(topics, grantProof(g)) {
		return false
	}
	s.metrics.confusions.WithLabelValues("contradicted").Inc()
	return true
}

// findOwn returns whom a grant leads to, and by which of its topics, with find, which is
// the store's Find: past those to whom a topic without a signature leads, and who are not
// whom the signed ones are of.
func (s *Server) findOwn(g stream.Grant, find func(topics []string) (store.Snapshot, int, error)) (store.Snapshot, int, error) {
	left := g
	for {
		snap, i, err := find(grantTopics(left))
		if err != nil {
			return snap, i, fmt.Errorf("finding the user of a stream: %w", err)
		}
		if !s.isLedAway(left, i, snap.Topics) {
			return snap, slices.Index(g.Topics, left.Topics[i]), nil
		}
		away := left.Topics[i]
		left.Topics = slices.DeleteFunc(slices.Clone(left.Topics), func(t stream.Topic) bool {
			return t == away || !t.Signed && slices.Contains(snap.Topics, t.Name)
		})
	}
}
