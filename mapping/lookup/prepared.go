package lookup

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// Questions are prepared in the session that asks them, in the same round trip as they are
// first asked: reading and planning their texts takes longer than answering them. Behind a
// pooler in transaction mode that knows nothing of prepared statements the next question
// may come to another session, where they are not there: then nothing is prepared any
// more. A statement's name is made of its text, so that what another process left in such
// a session under the same name is the same statement.

// preparedKey is where a connection keeps the names of its statements.
const preparedKey = "chatbridge prepared"

// batch asks several things of one connection, in one round trip and one transaction.
type batch struct {
	*pgconn.Pipeline
	session map[string]bool // the statements that are there; nil where nothing is prepared
	sent    []string        // those that are being prepared, in their order
	version int
}

func (s *sqlFetcher) batch(pipeline *pgconn.Pipeline, pg *pgconn.PgConn) *batch {
	b := &batch{Pipeline: pipeline, version: s.version}
	if s.unprepared {
		return b
	}
	data := pg.CustomData()
	session, ok := data[preparedKey].(map[string]bool)
	if !ok {
		session = map[string]bool{}
		data[preparedKey] = session
	}
	b.session = session
	return b
}

// ask sends a statement.
func (b *batch) ask(text string, values [][]byte) {
	if b.session == nil {
		b.SendQueryParams(text, values, nil, nil, nil)
		return
	}
	name := statementName(text, b.version)
	if !b.session[name] && !slices.Contains(b.sent, name) {
		b.SendPrepare(name, text, nil)
		b.sent = append(b.sent, name)
	}
	b.SendQueryPrepared(name, values, nil, nil)
}

// results calls f with the result of each statement, in their order, and closes the batch.
func (b *batch) results(f func(i int, r *pgconn.ResultReader)) (answered int, err error) {
	err = b.Sync()
	for err == nil {
		var result any
		if result, err = b.GetResults(); result == nil {
			break
		}
		switch r := result.(type) {
		case *pgconn.StatementDescription:
			b.session[b.sent[0]], b.sent = true, b.sent[1:]
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

// statementName names a text as of a version of the tables' columns.
func statementName(text string, version int) string {
	sum := sha256.Sum256([]byte(text))
	return "chatbridge_" + hex.EncodeToString(sum[:12]) + "_" + strconv.Itoa(version)
}

// notPrepared reports the errors of a session that has not, or has already, what was
// prepared: it is not the one in which that was done.
func notPrepared(code string) bool { return code == "26000" || code == "42P05" }

// planChanged reports, among others, the error of a prepared statement whose columns have
// other types than when it was prepared.
func planChanged(code string) bool { return code == "0A000" }
