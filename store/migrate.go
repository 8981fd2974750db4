package store

import (
	"embed"
	"fmt"
	"io/fs"
)

// migrations are numbered from 0001 without gaps. One that has been released is
// never changed: what follows it goes into the next.
//
//go:embed migrations/*.sql history/*.sql
var migrations embed.FS

// migrate brings the schema of the database at path to that of the directory. The
// number of the last migration that was applied is the file's user_version.
func migrate(c *conn, path, dir string) error {
	files, err := fs.Glob(migrations, dir+"/*.sql") // in the order of their numbers
	if err != nil {
		return err
	}
	row, err := c.first(1, "PRAGMA user_version")
	if err != nil {
		return err
	}
	done := int(row[0].(int64))
	if done > len(files) {
		return fmt.Errorf("%s was %w (schema %d, this one knows %d)", path, ErrNewer, done, len(files))
	}
	for i := done; i < len(files); i++ {
		text, err := migrations.ReadFile(files[i])
		if err != nil {
			return err
		}
		err = c.transaction(func() error {
			return c.script(fmt.Sprintf("%s; PRAGMA user_version = %d", text, i+1))
		})
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
	}
	return nil
}
