-- Who has claimed anonymous ids; of a topic there is a hash.
CREATE TABLE claimants (
	topic  BLOB NOT NULL PRIMARY KEY,
	record BLOB NOT NULL,
	at     INTEGER NOT NULL -- microseconds since 1970, as in record
) STRICT, WITHOUT ROWID;

CREATE INDEX claimants_at ON claimants (at);
