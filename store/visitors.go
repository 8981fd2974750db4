package store

import (
	"context"
	"time"
)

// Visitors is the memory of who came, and of what they looked at. A visitor is a browser
// of a connector's pages. Once it is known whose, it is joined to that user; the *person*
// is the user then, with all visitors joined to it, and the visitor alone before.
type Visitors interface {
	// Record writes what visitors did, in the order given. It returns, for each, whether
	// it was news: a view whose ID is among the visitor's latest 64 is not, and changes
	// nothing; nor is what a visitor did before it was erased. [SQLite] writes all or nothing; of what [Redis] has written in part, writing
	// it again makes good the rest.
	//
	// A view belongs to the person that the visitor is at that moment. Of a person the
	// latest HistoryConfig.ViewsPerVisitor are kept.
	Record(ctx context.Context, visits []Visit) (news []bool, err error)

	// Join joins visitors to users. What an anonymous visitor has looked at becomes the
	// user's; what one looked at that was joined to somebody else stays that person's, and
	// the visitor has neither an email nor a latest view until there is another.
	// A visitor that is not known yet is made.
	Join(ctx context.Context, joins []Join) error

	// Visitors returns those of the visitors that are known, in no particular order.
	Visitors(ctx context.Context, connectorID string, visitors []string) ([]Visitor, error)

	// VisitorsOf returns the visitors joined to a user, the last seen first, at most 100.
	VisitorsOf(ctx context.Context, connectorID, userID string) ([]Visitor, error)

	// RecentVisitors returns a connector's visitors, the last seen first, at most limit of
	// those that come after the cursor; "" begins. next continues; "": there are no more.
	// [ErrCursor]: the cursor is not one.
	RecentVisitors(ctx context.Context, connectorID, cursor string, limit int) (visitors []Visitor, next string, err error)

	// Pages returns what a person has looked at, the latest first, as RecentVisitors does.
	Pages(ctx context.Context, connectorID string, of Person, cursor string, limit int) (views []PageView, next string, err error)

	// PageSummary counts what a person has looked at, at most top pages of it by their
	// views.
	PageSummary(ctx context.Context, connectorID string, of Person, top int) (PageSummary, error)

	// EraseVisitors forgets persons: their visitors, views and stated emails, and what
	// became of offers to them.
	EraseVisitors(ctx context.Context, connectorID string, of []Person) error

	// Sweep forgets views, visitors, offers and audit entries that are older than they may
	// be, a bounded part of them; more says that there are others. [Redis] forgets most by
	// itself.
	Sweep(ctx context.Context) (forgotten int, more bool, err error)
}

// Visit is what a visitor did: looked at a page, or said an email.
type Visit struct {
	ConnectorID, Visitor string
	At                   time.Time // by the node's clock

	// View is the page; nil: none. Its At, Session and Visitor are not looked at.
	View *PageView
	// Email is what the visitor typed, unproven; "": nothing.
	Email string
}

// Join says that a visitor is a user.
type Join struct {
	ConnectorID, Visitor, UserID string
	At                           time.Time
}

// Person is a user, or a visitor of whom no user is known.
type Person struct {
	UserID  string // "": Visitor is anonymous
	Visitor string // with a UserID only to find what Join has not moved yet; may be empty then
}

// PageView is a page that was looked at.
type PageView struct {
	ID        string // of the view, at most 64 of A-Za-z0-9._-
	Visitor   string
	At        time.Time // UTC, milliseconds: by the server's clock
	LocalTime string    // RFC 3339 with offset: by the browser's; "": it did not say
	// Session is one for views that follow each other within HistoryConfig.Session.
	Session              string
	URL, Title, Referrer string
}

// Visitor is what is known of a visitor.
type Visitor struct {
	ID                  string
	UserID              string    // "": nobody knows
	Email               string    // what the visitor said last; "": nothing
	EmailAt             time.Time // when
	FirstSeen, LastSeen time.Time // UTC
	Views               int       // of this visitor, ever
	Latest              PageView  // zero: none
}

// PageSummary counts the views that are kept of a person.
type PageSummary struct {
	Views, Sessions int
	First, Last     time.Time // of the views; zero: there are none
	Pages           []PageCount
	Days            []DayCount // those with views, the latest 90, in their order
}

// PageCount counts the views of a page. Title is that of the last of them.
type PageCount struct {
	URL, Title string
	Views      int
	Last       time.Time
}

// DayCount counts the views of a day, in UTC.
type DayCount struct {
	Day   string // 2026-01-31
	Views int
}
