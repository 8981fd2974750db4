-- The connectors. What is secret about one is in sealed, as JSON, encrypted.
CREATE TABLE connectors (
	id            TEXT PRIMARY KEY,
	organization  TEXT NOT NULL,
	settings      BLOB,
	sealed        BLOB NOT NULL,
	updated_at    INTEGER NOT NULL, -- microseconds since 1970; Go's zero time: unknown
	config_digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Short names of the connectors that have users, whether or not they are above.
CREATE TABLE connector_keys (
	key INTEGER PRIMARY KEY,
	id  TEXT NOT NULL UNIQUE
) STRICT;

-- The users. An update touches neither the index nor the topics, and the state,
-- which may be long, comes last.
CREATE TABLE users (
	key       INTEGER PRIMARY KEY,
	connector INTEGER NOT NULL,
	id        TEXT NOT NULL,
	version   INTEGER NOT NULL,
	state_at  INTEGER NOT NULL, -- as connectors.updated_at
	topics    BLOB,             -- those of the table topics that have this user, see topics.go
	state     BLOB,
	UNIQUE (connector, id)
) STRICT;

-- Which user a topic leads to.
CREATE TABLE topics (
	connector INTEGER NOT NULL,
	topic     TEXT NOT NULL,
	user      INTEGER NOT NULL, -- users.key
	PRIMARY KEY (connector, topic)
) STRICT, WITHOUT ROWID;

-- One row, written to see whether writing works.
CREATE TABLE ping (
	key INTEGER PRIMARY KEY,
	at  INTEGER NOT NULL
) STRICT;
