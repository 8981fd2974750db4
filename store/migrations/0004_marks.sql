-- When something happened last to a connector, and how often in all.
CREATE TABLE marks (
	connector TEXT NOT NULL,
	name      TEXT NOT NULL,
	at        INTEGER NOT NULL, -- microseconds since 1970
	count     INTEGER NOT NULL,
	PRIMARY KEY (connector, name)
) STRICT, WITHOUT ROWID;
