-- Topics whose users were erased; of a topic there is a hash.
CREATE TABLE buried (
	topic BLOB NOT NULL PRIMARY KEY,
	at    INTEGER NOT NULL -- microseconds since 1970
) STRICT, WITHOUT ROWID;

CREATE INDEX buried_at ON buried (at);

-- Users who were erased, as long as their version is this one.
CREATE TABLE tombstones (
	user    INTEGER NOT NULL PRIMARY KEY, -- of users
	version INTEGER NOT NULL,
	until   INTEGER NOT NULL -- microseconds since 1970
) STRICT;

CREATE INDEX tombstones_until ON tombstones (until);
