package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
)

// conn is a connection to SQLite with the statements it has prepared, by
// their text. It uses the driver without database/sql, whose pool, conversions
// and goroutine for each context double the cost of a point read. One goroutine
// at a time.
type conn struct {
	driver.Conn
	statements map[string]*statement
	connectors map[string]int64 // what connectorKey has found
}

type statement struct {
	driver.Stmt
	args []driver.NamedValue // used again by each call
}

func connect(ctx context.Context, c driver.Connector) (*conn, error) {
	dc, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{dc, make(map[string]*statement), make(map[string]int64)}, nil
}

// bind returns the statement prepared from query with args in its place.
func (c *conn) bind(query string, args []driver.Value) (*statement, error) {
	s, ok := c.statements[query]
	if !ok {
		prepared, err := c.Prepare(query)
		if err != nil {
			return nil, err
		}
		s = &statement{prepared, make([]driver.NamedValue, len(args))}
		for i := range s.args {
			s.args[i].Ordinal = i + 1
		}
		c.statements[query] = s
	}
	for i, arg := range args {
		s.args[i].Value = arg
	}
	return s, nil
}

// release lets go of the arguments, which are the caller's.
func (s *statement) release() {
	for i := range s.args {
		s.args[i].Value = nil
	}
}

// exec runs a statement that returns no rows. An argument is an int64, a
// string or a []byte, of which an empty one is stored as NULL.
func (c *conn) exec(query string, args ...driver.Value) (driver.Result, error) {
	s, err := c.bind(query, args)
	if err != nil {
		return nil, err
	}
	defer s.release()
	return s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), s.args)
}

// script runs statements that are not worth keeping.
func (c *conn) script(text string) error {
	_, err := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// each calls do with each row that query returns, in the same slice of n
// columns every time, until do returns an error.
func (c *conn) each(n int, do func(row []driver.Value) error, query string, args ...driver.Value) error {
	s, err := c.bind(query, args)
	if err != nil {
		return err
	}
	defer s.release()
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	row := make([]driver.Value, n)
	for err == nil {
		if err = rows.Next(row); err == nil {
			err = do(row)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// first returns the first row that query returns, nil when there is none.
func (c *conn) first(n int, query string, args ...driver.Value) ([]driver.Value, error) {
	var found []driver.Value
	err := c.each(n, func(row []driver.Value) error {
		found = row
		return io.EOF
	}, query, args...)
	return found, err
}

// blob is the value of a column that may be NULL.
func blob(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

// Close closes the connection and its statements.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}

// transaction runs do in a transaction. After an error the connection may still
// be in it.
func (c *conn) transaction(do func() error) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	_, err := c.exec("COMMIT")
	return err
}

// reading runs do in a transaction, so that its statements see one state of the
// database and share the cost of the locks, a third of a point read.
func (c *conn) reading(do func() error) error {
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer c.exec("ROLLBACK") // nothing to keep; fails only if an error has ended it
	return do()
}
