package lookup

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// Questions are prepared in the session that asks them, in the same round trip as they are
// first asked: reading and planning their texts takes longer than answering them.
//
// What is prepared has the types of the columns, and the plans for the tables, of when it
// was: so it is forgotten after planAge, and once a question fails for whatever may come
// of it, which is then asked again without. A statement's name is made of its text, so that
// what another process left under the same name in a session that a pooler lends to both
// is the same statement.

const (
	// planAge is how old a plan gets: one that was made for an empty table reads all of it.
	planAge = 5 * time.Minute
	// prepareAgain is after how long preparing is tried again where the next question came
	// to another session, as behind a pooler in transaction mode that knows nothing of it.
	prepareAgain = 10 * time.Minute
)

// sessionKey is where a connection keeps its session.
const sessionKey = "chatbridge lookup"

// session is what is prepared in a session of the server.
type session struct {
	prepared map[string]bool // by name
	since    time.Time       // of the oldest of these
	// stale are the names of statements that are to be deallocated.
	stale []string
}

func sessionOf(pg *pgconn.PgConn) *session {
	data := pg.CustomData()
	s, ok := data[sessionKey].(*session)
	if !ok {
		s = &session{prepared: map[string]bool{}, since: time.Now()}
		data[sessionKey] = s
	}
	return s
}

// forget has all statements prepared anew when they are next asked for.
func (s *session) forget() {
	for name := range s.prepared {
		s.stale = append(s.stale, name)
	}
	clear(s.prepared)
	s.since = time.Now()
}

// batch asks several things of one connection, in one round trip and one transaction.
type batch struct {
	*pgconn.Pipeline
	session *session // nil where nothing is prepared
	sent    []string // the statements that are being prepared, in their order
}

// batch begins one with the settings.
func (s *sqlFetcher) batch(pipeline *pgconn.Pipeline, pg *pgconn.PgConn, raw bool, settingsValues [][]byte) *batch {
	b := &batch{Pipeline: pipeline}
	// The text of a question that is asked raw is read in another encoding.
	if raw || s.plain || time.Now().Before(s.plainUntil) {
		b.ask(settings, settingsValues)
		return b
	}
	s.prepares = true
	b.session = sessionOf(pg)
	if time.Since(b.session.since) > planAge {
		b.session.forget()
	}
	for _, name := range b.session.stale {
		b.SendDeallocate(name)
	}
	b.session.stale = nil
	b.ask(preparedSettings, settingsValues)
	return b
}

// ask sends a statement.
func (b *batch) ask(text string, values [][]byte) {
	if b.session == nil {
		b.SendQueryParams(text, values, nil, nil, nil)
		return
	}
	name := statementName(text)
	if !b.session.prepared[name] && !slices.Contains(b.sent, name) {
		b.SendPrepare(name, text, nil)
		b.sent = append(b.sent, name)
	}
	b.SendQueryPrepared(name, values, nil, nil)
}

// results calls f with the result of each statement, in their order, and ends the batch.
// It returns how many were answered.
func (b *batch) results(f func(i int, r *pgconn.ResultReader)) (answered int, err error) {
	err = b.Sync()
	for err == nil {
		var result any
		if result, err = b.GetResults(); result == nil {
			break
		}
		switch r := result.(type) {
		case *pgconn.StatementDescription:
			b.session.prepared[b.sent[0]], b.sent = true, b.sent[1:]
		case *pgconn.ResultReader:
			f(answered, r)
			if _, err = r.Close(); err == nil {
				answered++
			}
		}
	}
	if e := b.Close(); err == nil {
		err = e
	}
	return answered, err
}

func statementName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "chatbridge_" + hex.EncodeToString(sum[:12])
}

// notPrepared reports the errors of a session that has not, or has already, what was
// prepared: it is not the one in which that was done.
func notPrepared(code string) bool { return code == "26000" || code == "42P05" }

// perhapsOfPreparing reports the errors that may be of what was prepared and not of the
// question: another session, columns of other types, tables that are other ones now.
func perhapsOfPreparing(code string) bool {
	return notPrepared(code) || strings.HasPrefix(code, "42") || strings.HasPrefix(code, "0A") || code == "22P02"
}

// answers are the rows that were found, kept until no question is asked again: a row
// given twice could be sent twice.
type answers []engine.Found

// add copies a row.
func (a *answers) add(f engine.Found) {
	row := make(source.Row, len(f.Row))
	size := 0
	for _, v := range f.Row {
		size += len(v.Data)
	}
	data := make([]byte, 0, size)
	for i, v := range f.Row {
		row[i] = v
		if v.Data != nil {
			start := len(data)
			data = append(data, v.Data...)
			row[i].Data = data[start:len(data):len(data)]
		}
	}
	f.Row = row
	*a = append(*a, f)
}

func (a answers) give(found func(engine.Found)) {
	for _, f := range a {
		found(f)
	}
}
