-- Tokens that are refused though they have not expired, by what they have in common.
CREATE TABLE revocations (
	connector TEXT NOT NULL,
	name      TEXT NOT NULL,
	at        INTEGER NOT NULL, -- microseconds since 1970
	PRIMARY KEY (connector, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_at ON revocations (at);
