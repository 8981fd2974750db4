-- Short names of the connectors.
CREATE TABLE connector_keys (
	key INTEGER PRIMARY KEY,
	id  TEXT NOT NULL UNIQUE
) STRICT;

-- Whose page views are kept: users, and visitors of whom no user is known. Keys are not
-- used again.
CREATE TABLE persons (
	key       INTEGER PRIMARY KEY AUTOINCREMENT,
	connector INTEGER NOT NULL,
	user      TEXT,    -- NULL: an anonymous visitor
	oldest    INTEGER, -- no view is older, milliseconds since 1970; NULL: there is none
	UNIQUE (connector, user)
) STRICT;
CREATE INDEX persons_oldest ON persons (oldest) WHERE oldest IS NOT NULL;

-- Times are microseconds since 1970, where nothing else is said. What is long comes last.
CREATE TABLE visitors (
	key        INTEGER PRIMARY KEY AUTOINCREMENT,
	connector  INTEGER NOT NULL,
	id         TEXT NOT NULL,
	person     INTEGER NOT NULL,           -- persons.key
	erased     INTEGER NOT NULL,           -- what was before is not news; 0: never
	first_seen INTEGER NOT NULL,
	last_seen  INTEGER NOT NULL,
	views      INTEGER NOT NULL DEFAULT 0, -- ever
	session    INTEGER NOT NULL DEFAULT 0, -- milliseconds: its first view
	email      TEXT    NOT NULL DEFAULT '',
	email_at   INTEGER NOT NULL DEFAULT 0,
	latest_at  INTEGER NOT NULL DEFAULT 0, -- milliseconds: the latest view, as in pages; 0: there is none
	latest_id  TEXT    NOT NULL DEFAULT '',
	local_time TEXT    NOT NULL DEFAULT '',
	url        TEXT    NOT NULL DEFAULT '',
	title      TEXT    NOT NULL DEFAULT '',
	referrer   TEXT    NOT NULL DEFAULT '',
	recent     BLOB,                       -- hashes of the latest views' ids, the latest last
	UNIQUE (connector, id)
) STRICT;
CREATE INDEX visitors_recent ON visitors (connector, last_seen);
CREATE INDEX visitors_person ON visitors (person);

-- The page views, those of a person together and in their order: a timeline is read in
-- one go.
CREATE TABLE pages (
	person     INTEGER NOT NULL, -- persons.key
	at         INTEGER NOT NULL, -- milliseconds
	visitor    INTEGER NOT NULL, -- visitors.key
	n          INTEGER NOT NULL, -- the visitor's view
	session    INTEGER NOT NULL, -- as visitors.session
	id         TEXT NOT NULL,
	local_time TEXT NOT NULL,
	url        TEXT NOT NULL,
	title      TEXT NOT NULL,
	referrer   TEXT NOT NULL,
	PRIMARY KEY (person, at, visitor, n)
) STRICT, WITHOUT ROWID;

-- When visitors were erased: what comes late of what they did before is not news.
CREATE TABLE erased (
	connector INTEGER NOT NULL,
	visitor   TEXT NOT NULL,
	at        INTEGER NOT NULL,
	PRIMARY KEY (connector, visitor)
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_at ON erased (at);

CREATE TABLE offers (
	key       INTEGER PRIMARY KEY AUTOINCREMENT,
	connector INTEGER NOT NULL,
	id        TEXT NOT NULL,
	sent_at   INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	digest    TEXT NOT NULL,
	sender    TEXT NOT NULL,
	sent      INTEGER NOT NULL DEFAULT 0, -- persons, as the next five
	delivered INTEGER NOT NULL DEFAULT 0,
	seen      INTEGER NOT NULL DEFAULT 0,
	clicked   INTEGER NOT NULL DEFAULT 0,
	dismissed INTEGER NOT NULL DEFAULT 0,
	capped    INTEGER NOT NULL DEFAULT 0,
	audience  BLOB,
	data      BLOB,
	UNIQUE (connector, id)
) STRICT;
CREATE INDEX offers_sent    ON offers (connector, sent_at);
CREATE INDEX offers_pending ON offers (connector, expires);

-- Whom offers are about.
CREATE TABLE abouts (
	connector INTEGER NOT NULL,
	about     TEXT NOT NULL,
	offer     INTEGER NOT NULL, -- offers.key
	PRIMARY KEY (connector, about, offer)
) STRICT, WITHOUT ROWID;
CREATE INDEX abouts_offer ON abouts (offer);

-- What became of offers to persons.
CREATE TABLE deliveries (
	offer     INTEGER NOT NULL, -- offers.key
	person    TEXT NOT NULL,    -- the id of a user or a visitor
	connector INTEGER NOT NULL,
	visitor   TEXT NOT NULL,    -- that it was claimed for
	counts    INTEGER NOT NULL, -- 1: to the cap
	capped    INTEGER NOT NULL, -- 1: it was
	sent      INTEGER,          -- when, as the next four; NULL: it was not
	delivered INTEGER,
	seen      INTEGER,
	clicked   INTEGER,
	dismissed INTEGER,
	PRIMARY KEY (offer, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_person ON deliveries (connector, person, sent);

CREATE TABLE audit (
	key       INTEGER PRIMARY KEY,
	connector INTEGER NOT NULL,
	at        INTEGER NOT NULL,
	operator  TEXT NOT NULL,
	address   TEXT NOT NULL,
	request   TEXT NOT NULL,
	action    TEXT NOT NULL,
	target    TEXT NOT NULL,
	result    TEXT NOT NULL
) STRICT;
CREATE INDEX audit_recent ON audit (connector, at);
