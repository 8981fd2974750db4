-- The last transaction that shares its Puts with a frame of the journal.
CREATE TABLE journal (
	key   INTEGER PRIMARY KEY,
	batch INTEGER NOT NULL
) STRICT;
INSERT INTO journal (key, batch) VALUES (1, 0);
