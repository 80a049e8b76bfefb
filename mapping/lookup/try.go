package lookup

import (
	"context"
	"errors"
	"fmt"

	"chatbridge/mapping/engine"
)

// Question is one of the questions that look-ups ask, and how it went.
type Question struct {
	// What names it, such as newest messages.
	What string
	// Err is why the database did not answer, a *DeniedError where the role lacks
	// a right; nil where it did.
	Err error
}

// Tried is what Try found.
type Tried struct {
	Questions []Question
	// Without is one sentence about columns that the role may not read, and that
	// events go without; "" for none. Remedy is the SQL that grants them.
	Without, Remedy string
}

// Try asks every question once, for keys that no row has, with the statements,
// the settings and the role of Fetch. The error is that of connecting, or of
// reading the catalog. Only a Lookup of NewSQL can try; it must not Fetch meanwhile.
func (l *Lookup) Try(ctx context.Context) (Tried, error) {
	s, ok := l.fetcher.(*sqlFetcher)
	if !ok {
		return Tried{}, errors.ErrUnsupported
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return Tried{}, fmt.Errorf("connect for lookups: %w", err)
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	s.plain = true // each is asked once, perhaps behind a pooler
	defer func() { s.plain = false }()
	if err := s.learn(ctx, pg); err != nil {
		return Tried{}, err
	}
	tried := Tried{Without: s.rights.without, Remedy: s.rights.remedy}
	for _, q := range s.texts.all() {
		err := s.send(ctx, pg, []asked{{query: q}}, func(engine.Found) {}, false)
		if sqlState(err) == denied {
			err = &DeniedError{Remedy: s.rights.remedy, Err: err}
		}
		tried.Questions = append(tried.Questions, Question{What: q.what, Err: err})
	}
	return tried, nil
}
