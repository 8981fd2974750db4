-- What was done once, and is not done again for a while.
CREATE TABLE once (
	connector TEXT NOT NULL,
	key       TEXT NOT NULL,
	digest    BLOB NOT NULL,
	until     INTEGER NOT NULL, -- microseconds since 1970
	PRIMARY KEY (connector, key)
) STRICT;
CREATE INDEX once_until ON once (until);

-- Topics of those who were merged into the user, the latest last, see topics.go; NULL:
-- none. Those that lead to somebody else by now are among them.
ALTER TABLE users ADD COLUMN merged BLOB;

-- What a connector's segments are called, JSON.
ALTER TABLE connectors ADD COLUMN segments BLOB;
