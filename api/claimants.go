package api

import (
	"context"
	"fmt"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

const (
	// claimsPerPerson is how many anonymous ids that nobody has claimed before a person
	// may claim in a minute: they are written down, and a browser has one.
	claimsPerPerson = 16

	// claimRenewed is how old the memory of a claim gets before another one renews it.
	claimRenewed = 24 * time.Hour
)

// unconfused is a proof without those unsigned anonymous ids that came with the signed
// claims of two people: whose they are nobody can tell
// (docs/decisions/0029-identity-confusion.md). hull.ErrUnproven: then none is left.
func (s *Server) unconfused(ctx context.Context, connectorID string, proof hull.Proof) (hull.Proof, error) {
	var ids []string
	for i, topic := range proof.Topics {
		if !proof.Signed[i] {
			ids = append(ids, topic.String())
		}
	}
	if len(ids) == 0 {
		return proof, nil
	}
	doubtful := s.doubtful(ctx, connectorID, ids, signedBy(connectorID, proof))
	return proof.Without(func(topic hull.Topic, signed bool) bool { return !signed && doubtful[topic.String()] })
}

// doubtful are those unsigned anonymous ids that do not count beside the signed claims of
// a person; the zero person has signed nothing. Without a memory of them those of a person
// do not, who is served without them; the others do, for else nobody would be served.
func (s *Server) doubtful(ctx context.Context, connectorID string, ids []string, person store.Claimant) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, listenWait)
	defer cancel()
	alone := person == store.Claimant{}
	known, err := s.claimants(ctx, connectorID, ids)
	if err == nil && !alone {
		known, err = s.claim(ctx, connectorID, ids, known, person)
	}
	if err != nil {
		s.log.Debug("whose anonymous ids are is not known", "connector", connectorID, "error", err)
	}
	doubtful := make(map[string]bool)
	for _, id := range ids {
		claimant, remembered := known[id]
		if claimant.Confused {
			s.metrics.confusions.WithLabelValues("shared").Inc()
		}
		doubtful[id] = claimant.Confused || !alone && (err != nil || !remembered)
	}
	return doubtful
}

// claimants are those of ids that are known.
func (s *Server) claimants(ctx context.Context, connectorID string, ids []string) (map[string]store.Claimant, error) {
	if s.cluster != nil && s.cluster.degraded() {
		return nil, errDegraded
	}
	known, err := s.store.Claimants(ctx, connectorID, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for claimants of %d ids: %w", len(ids), err)
	}
	return known, nil
}

// claim has a person claim ids, and returns what is known of them then: nothing of those
// that nobody has claimed before, when the person claims too many.
func (s *Server) claim(ctx context.Context, connectorID string, ids []string, known map[string]store.Claimant, person store.Claimant) (map[string]store.Claimant, error) {
	news := make(map[string]store.Claimant)
	for _, id := range ids {
		before, remembered := known[id]
		if !remembered && !s.mayClaim(connectorID, person) {
			continue
		}
		person.At = s.now()
		after, changed := claimedBy(before, person)
		if changed {
			news[id] = after
		}
		known[id] = after
	}
	if len(news) == 0 {
		return known, nil
	}
	if err := s.store.PutClaimants(ctx, connectorID, news); err != nil {
		return nil, fmt.Errorf("noting claimants of %d ids: %w", len(news), err)
	}
	return known, nil
}

// mayClaim counts an id that nobody has claimed before.
func (s *Server) mayClaim(connectorID string, person store.Claimant) bool {
	key := fmt.Sprintf("%s %x %x %x", connectorID, person.ID, person.ExternalID, person.Email)
	_, ok := s.claimRates.allow(key, s.now())
	return ok
}

// signedBy is who has signed a proof, the zero Claimant when nobody has.
func signedBy(connectorID string, proof hull.Proof) (person store.Claimant) {
	for i, topic := range proof.Topics {
		if !proof.Signed[i] {
			continue
		}
		hash := store.HashTopic(connectorID, topic.String())
		switch topic.Kind() {
		case hull.KindID:
			person.ID = hash
		case hull.KindExternalID:
			person.ExternalID = hash
		case hull.KindEmail:
			person.Email = hash
		}
	}
	return person
}

// claimedBy is what is known of an id after a person has claimed it, and whether that is
// to be written down. One identifier in common makes the same person, whatever the others
// are; none in common, but two of a kind, makes two people. Of two people nothing more is
// to be known.
func claimedBy(before, person store.Claimant) (after store.Claimant, changed bool) {
	after = before
	common, differ := false, false
	for _, kind := range []struct{ before, after, claimed *store.TopicHash }{
		{&before.ID, &after.ID, &person.ID},
		{&before.ExternalID, &after.ExternalID, &person.ExternalID},
		{&before.Email, &after.Email, &person.Email},
	} {
		if *kind.claimed == (store.TopicHash{}) {
			continue
		}
		common = common || *kind.before == *kind.claimed
		differ = differ || *kind.before != *kind.claimed && *kind.before != store.TopicHash{}
		*kind.after = *kind.claimed
	}
	if before.Confused || differ && !common {
		after = store.Claimant{Confused: true, At: before.At}
	}
	if after == before && person.At.Sub(before.At) < claimRenewed {
		return before, false
	}
	after.At = person.At
	return after, true
}
