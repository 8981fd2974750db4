package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// failed says what was being done when err happened, and marks it as
// ErrUnavailable when it makes sense to try again later.
func failed(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff { // without the extended part
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return unavailable{err}
	}
	return err
}

// unavailable is an ErrUnavailable with the text of its cause alone.
type unavailable struct{ error }

func (u unavailable) Unwrap() []error { return []error{ErrUnavailable, u.error} }

// errClosed is what methods return after Close.
var errClosed error = unavailable{errors.New("the store is closed")}
