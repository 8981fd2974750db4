// Package store remembers what Hullbeam was told: the connectors, and the
// latest state of every user with the topics that lead to it. It decides
// neither who may read a state nor what is in it: a state is opaque JSON, a
// topic an opaque text.
//
// [Store] is the contract, package storetest the suite that every
// implementation passes. [SQLite] is the embedded one, [Redis] the one that
// nodes share.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store keeps connectors and users. Its methods may be called from any number
// of goroutines. What is passed in stays the caller's and is not kept when the
// method has returned; what comes back is the caller's too.
//
// A write has happened, durably, when its method returns nil, and is seen by
// every read that begins after that. After an error it may or may not have
// happened. How durable a write to [Redis] is, its servers' configuration says,
// and RedisConfig.WaitReplicas. Texts are UTF-8, times have a precision of a microsecond.
//
// Every method but Close ends early when ctx does, with an error that wraps
// ctx.Err(), as long as it waits for its turn; what has begun is not
// interrupted, for it is short and may be shared with other callers. After
// Close every method fails with [ErrUnavailable].
type Store interface {
	Once
	Marks
	Erasures
	Revocations
	Claimants
	History

	// Connector returns the connector with that id. [ErrNotFound]: there is
	// none; [ErrDeleted]: there is none any more. [ErrSealed]: its secrets cannot be opened.
	Connector(ctx context.Context, id string) (Connector, error)

	// Connectors returns all connectors in the order of their ids. One whose
	// secrets cannot be opened, or which a newer hullbeam has written, is left out
	// and does not stop the others from being listed: then the connectors come
	// together with an error that joins an [ErrSealed] or [ErrNewer] for each that
	// is missing.
	Connectors(ctx context.Context) ([]Connector, error)

	// PutConnector stores c, in place of what was stored under its id, unless
	// that is newer by UpdatedAt; stored tells which. UpdatedAt follows the
	// rules of [User.StateAt]. An empty ConfigDigest keeps the stored one.
	PutConnector(ctx context.Context, c Connector) (stored bool, err error)

	// DeleteConnector forgets what is stored of a connector but its users, and that there
	// was one: until it is put again, reading it is [ErrDeleted], so that those who had
	// read it before do not put it back.
	DeleteConnector(ctx context.Context, id string) error

	// Reseal seals the secrets of connectors anew, of deleted ones too, that the first
	// secret did not seal, so that the other secrets can be taken away, and returns of how
	// many. Nothing else of them changes, and what somebody writes meanwhile stays. Those
	// that no secret opens, or that a newer hullbeam has written, stay as they are.
	Reseal(ctx context.Context) (resealed int, err error)

	// Put stores the latest states of users of one connector, all of them or
	// none, in the order given, in which a user may occur more than once. It
	// returns what became of each, in the same order. The connector need not
	// be known: its users are kept apart by its id alone.
	//
	// [Redis] writes each user at once, with version and publication, but not
	// all at once: an error means that some may have been written, and their
	// topics in part. The writes of one user keep their order, and to put the
	// users again makes good what was left half done.
	Put(ctx context.Context, connectorID string, users []User) ([]Written, error)

	// Find returns the user that the first of topics that leads to one leads
	// to, and the index of that topic. [ErrNotFound]: none of them does.
	Find(ctx context.Context, connectorID string, topics []string) (Snapshot, int, error)

	// Snapshots returns those of the users that are known, in no particular
	// order.
	Snapshots(ctx context.Context, connectorID string, userIDs []string) ([]Snapshot, error)

	// Ping tells whether the store can read and write right now, by doing
	// both.
	Ping(ctx context.Context) error

	// Close lets what has begun end, fails what waits, and frees what the
	// store holds. To close again does nothing.
	Close() error
}

// User is the latest state of a user, as it is to be stored.
type User struct {
	ID string

	// Topics are those that lead to this user from now on. A topic leads to
	// one user of a connector, the one whose latest write named it.
	Topics []string

	// Merged are topics of users who were merged into this one: they lead here from
	// now on, as those of Topics do, and stay with later writes that do not name them,
	// each until it comes to lead to somebody else; the latest [MaxMerged] of a user.
	// Sorted, each once.
	Merged []string

	// Erased means that State says that the user was erased: what was merged into the
	// user is forgotten, too, and all of it ErasureLife later, when an older state may
	// come again.
	Erased bool

	// StateAt is when the state came to be by the clock of its source (Hull's
	// indexed_at). An older state never overwrites a newer one. Equal times,
	// and the zero time, which means unknown, go by order of arrival; an
	// unknown one leaves the stored time as it is. A time more than an hour
	// ahead of the store's clock counts as now, so that one wrong clock does
	// not shut out what comes after.
	StateAt time.Time

	// State is opaque JSON.
	State []byte

	// Accepted is when the node was given the state, and News what else the
	// nodes that serve the user are to be told with it. Neither is stored: they
	// go with the publication, where there is one.
	Accepted time.Time
	News     []byte

	// Trace goes with the publication, too: opaque, empty when nobody traces it.
	Trace string
}

// Written is what became of a [User] that was put.
type Written struct {
	// Version is that of the state, the maximum of its user's previous version
	// plus one and the store's clock in microseconds since 1970: it grows with
	// each write of the user, even across the loss of a store. When Stale it
	// is the version of what is stored.
	Version uint64

	// NewTopics means that topics lead to this user that did not, or may not have,
	// before this write.
	NewTopics bool

	// Gone are the topics that led to this user before this write and lead to
	// nobody now, because it did not name them. Sorted.
	Gone []string

	// Merged are the topics that lead to this user besides those that the write has
	// named, because they were merged into it. Sorted.
	Merged []string

	// Taken are the topics that led to other users before this write. They
	// are no longer in those users' snapshots, whose versions stay. Sorted by
	// topic.
	Taken []Taken

	// Stale means that a newer state is stored, and that nothing was written.
	Stale bool
}

// Taken is a topic that leads to another user than before.
type Taken struct {
	Topic string
	From  string // the id of the user it led to
}

// Snapshot is the stored state of a user.
type Snapshot struct {
	UserID  string
	Version uint64
	Topics  []string  // those that lead to this user; sorted, each once
	StateAt time.Time // UTC; zero: unknown
	State   []byte

	// Merged are those of Topics that are there because of a merge. To be set by who
	// restores a snapshot; what is read does not have it.
	Merged []string
}

// MaxMerged bounds the topics of a user that are there because of merges.
const MaxMerged = 200

// Connector is a customer's installation: Hull's ship.
type Connector struct {
	ID           string
	Organization string

	// Secret and PrivateSettings are sealed where they are stored.
	Secret          string
	PrivateSettings []byte // a JSON object, opaque here; empty: none

	Settings  []byte    // a JSON object, opaque here; empty: none
	UpdatedAt time.Time // UTC; zero: unknown

	// Segments is what the organization's segments are called, opaque JSON; empty:
	// unknown.
	Segments []byte

	// ConfigDigest is that of the text in config.yaml that the connector was
	// last put in from. It stays when Hull or an operator replaces the rest,
	// so that a start-up with the same text does not undo their change.
	ConfigDigest string
}

// History is what is remembered of visitors, of what they were sent, and of operators.
type History interface {
	Visitors
	Offers
	Audits
}

// Sealer encrypts and authenticates what must not be readable where it is
// stored. What was sealed with a context opens with that context only.
// Both methods may be called from any number of goroutines.
type Sealer interface {
	Seal(plaintext, context []byte) []byte
	Open(sealed, context []byte) ([]byte, error)

	// IsFirst tells whether what was sealed is as Seal would seal it now, and not
	// with a secret that is on its way out.
	IsFirst(sealed, context []byte) bool
}

// Errors that callers decide on, to be recognised with [errors.Is].
var (
	// ErrNotFound means that there is no such connector, or no such user.
	ErrNotFound = errors.New("not found")

	// ErrDeleted means that there was such a connector. It is an [ErrNotFound].
	ErrDeleted = fmt.Errorf("%w: deleted", ErrNotFound)

	// ErrUnavailable means that the store cannot do now what it may be able to
	// do later: it is locked, full, read-only, closed, or the disk fails. The
	// text says what was being done, and why it could not be.
	ErrUnavailable = errors.New("the store is unavailable")

	// ErrSealed means that a connector's secrets do not open under the present
	// secret.
	ErrSealed = errors.New("sealed with another secret")

	// ErrNewer means that the data were made by a newer hullbeam.
	ErrNewer = errors.New("made by a newer hullbeam")

	// ErrCursor means that a cursor is not one that this list has given.
	ErrCursor = errors.New("not a cursor of this list")

	// ErrInUse means that another process has the data directory.
	ErrInUse = errors.New("in use by another hullbeam")
)
