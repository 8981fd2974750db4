package store

import (
	"context"
	"time"
)

// Offers is the memory of what operators have sent, and of what became of it. An offer is
// kept for HistoryConfig.Retention after it has expired.
type Offers interface {
	// PutOffer stores an offer unless its ID is taken; then it returns the one that has
	// it, and created is false.
	PutOffer(ctx context.Context, o Offer) (stored Offer, created bool, err error)

	// Offer returns one. [ErrNotFound]: there is none.
	Offer(ctx context.Context, connectorID, id string) (Offer, error)

	// Offers returns a connector's offers, the latest first, as RecentVisitors does.
	Offers(ctx context.Context, connectorID, cursor string, limit int) (offers []Offer, next string, err error)

	// PendingOffers returns those that have not expired at a time, in the order in which
	// they were sent, at most 1,000, the latest.
	PendingOffers(ctx context.Context, connectorID string, now time.Time) ([]Offer, error)

	// ClaimOffers notes that offers are on their way to persons, before they are sent. ok
	// tells for each whether it may be sent: it may when it was not claimed yet, and again,
	// without being counted again, when it was claimed for the same visitor; it may not
	// when it was for another visitor of the person. It may not either when it counts to
	// Claim.Cap and the person was given that many that count within Claim.Window; then it
	// is counted as capped, once for each person.
	ClaimOffers(ctx context.Context, connectorID string, claims []Claim) (ok []bool, err error)

	// OfferStates returns what became of offers to somebody: for each id the furthest that
	// is known under any of the persons' keys.
	OfferStates(ctx context.Context, connectorID string, persons, ids []string) (map[string]OfferState, error)

	// MarkOffers notes what became of offers. One that was not claimed is not noted, and ok
	// is false; what was noted before is ok, and not counted again.
	MarkOffers(ctx context.Context, connectorID string, marks []OfferMark) (ok []bool, err error)
}

// Offer is what an operator has sent.
type Offer struct {
	ConnectorID, ID string
	To              []byte // JSON, opaque
	Data            []byte // JSON, opaque
	SentAt, Expires time.Time
	Digest          string // of the request, so that the same under the same ID can be told from another
	Sender          string // the operator
	// About are the persons, or topics, that To names; what is erased of them erases the
	// offer.
	About  []string
	Counts OfferCounts
}

// OfferCounts is how far an offer has come, in persons.
type OfferCounts struct{ Sent, Delivered, Seen, Clicked, Dismissed, Capped int }

// OfferStep is what became of an offer, each further than the one before.
type OfferStep uint8

// The steps of an offer to a person. A page may be clicked on and dismissed, each is noted.
const (
	OfferSent      OfferStep = iota // it is on its way
	OfferDelivered                  // it was written to a stream
	OfferSeen
	OfferClicked
	OfferDismissed
)

// OfferState is when an offer got how far with a person; zero times: it did not. Visitor
// is for whom it was claimed: of a person's browsers the one that it was sent to.
type OfferState struct {
	At      [OfferDismissed + 1]time.Time
	Visitor string
}

// Claim is an offer on its way to a person, by the key of whom: the id of a user, or of a
// visitor of whom no user is known.
type Claim struct {
	Offer, Person string
	Visitor       string // the person's, that it is sent to
	At            time.Time
	Cap           int // 0: it does not count
	Window        time.Duration
}

// OfferMark is what became of an offer to any of the persons' keys, the first that has it.
type OfferMark struct {
	Offer   string
	Persons []string
	Step    OfferStep
	At      time.Time
}
