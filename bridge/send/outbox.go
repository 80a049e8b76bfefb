package send

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Beginner begins transactions: a *pgxpool.Pool.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// OutboxOptions configures an Outbox. Tables are a name, or schema.name.
type OutboxOptions struct {
	// Messages is where messages are, and Message the columns of a new one.
	Messages string
	Message  []Field
	// Table is the outbox, and Columns those of its row; client_id, workspace and content
	// must be among their values. What tells a text from another is read again: see
	// KnownBy.
	Table   string
	Columns []Field
	// Channel is notified of the message's id; empty for none.
	Channel string
	// Conversations is where conversations are, with their id and workspace.
	Conversations, ConversationID, ConversationWorkspace string
}

// Outbox is a Way: a message and a row of an outbox table, in one transaction. Whoever
// reads the table sends it.
type Outbox struct {
	db   Beginner
	opts OutboxOptions
	sql  outboxSQL
}

var _ Way = (*Outbox)(nil)

type outboxSQL struct{ lock, known, same, conversation, message, row, notify string }

// KnownBy returns the columns by which the outbox knows a message again, which the role
// must be allowed to read: first those of workspace and client_id, then of all that tells
// one text from another.
func KnownBy(columns []Field) []Field {
	known := make([]Field, 0, len(columns))
	for _, value := range []string{valueWorkspace, valueClientID, valueConversation, valueUser, valueContent, valueReplyTo} {
		if name := ColumnOf(columns, value); name != "" {
			known = append(known, Field{Name: name, Value: value})
		}
	}
	return known
}

// isSame asks whether a row of a message's id is that message.
func isSame(from string, fields []Field) string {
	terms := make([]string, len(fields))
	for i, f := range fields {
		terms[i] = fmt.Sprintf("%s is not distinct from $%d", column(f.Name), i+1)
	}
	return fmt.Sprintf("select exists (select from %s where %s)", table(from), strings.Join(terms, " and "))
}

// NewOutbox returns an Outbox that writes over db, or what is wrong with the options.
func NewOutbox(db Beginner, o OutboxOptions) (*Outbox, error) {
	client, workspace := ColumnOf(o.Columns, valueClientID), ColumnOf(o.Columns, valueWorkspace)
	if client == "" || workspace == "" || ColumnOf(o.Columns, valueContent) == "" {
		return nil, errors.New("the outbox table needs columns for client_id, workspace and content: by them a message is known again")
	}
	return &Outbox{db: db, opts: o, sql: outboxSQL{
		// Two requests for one message come one after the other, also of two bridges.
		lock:         "select pg_advisory_xact_lock(hashtextextended($1, 0))",
		known:        fmt.Sprintf("select exists (select from %s where %s = $1 and %s = $2)", table(o.Table), column(workspace), column(client)),
		same:         isSame(o.Table, KnownBy(o.Columns)),
		conversation: fmt.Sprintf("select exists (select from %s where %s = $1 and %s = $2)", table(o.Conversations), column(o.ConversationID), column(o.ConversationWorkspace)),
		message:      insert(o.Messages, o.Message),
		row:          insert(o.Table, o.Columns),
		notify:       "select pg_notify($1, $2)",
	}}, nil
}

func table(name string) string  { return pgx.Identifier(strings.SplitN(name, ".", 2)).Sanitize() }
func column(name string) string { return pgx.Identifier{name}.Sanitize() }

// ColumnOf returns the column into which a value goes, "" for none.
func ColumnOf(fields []Field, value string) string {
	if i := slices.IndexFunc(fields, func(f Field) bool { return f.Value == value }); i >= 0 {
		return fields[i].Name
	}
	return ""
}

func insert(into string, fields []Field) string {
	names, places := make([]string, len(fields)), make([]string, len(fields))
	for i, f := range fields {
		names[i], places[i] = column(f.Name), fmt.Sprintf("$%d", i+1)
	}
	return fmt.Sprintf("insert into %s (%s) values (%s)", table(into), strings.Join(names, ", "), strings.Join(places, ", "))
}

// Taken implements Way.
func (o *Outbox) Taken(ctx context.Context, m *Message) bool {
	out, known, err := o.again(ctx, o.db, &values{Message: m})
	return err == nil && known && out.Fault != nil
}

// NeedsSession implements Way.
func (o *Outbox) NeedsSession() bool { return false }

// Repeatable implements Way: the database knows a message again.
func (o *Outbox) Repeatable() bool { return true }

// outboxRetry is the pause before another attempt, outboxAttempts how many there are.
const (
	outboxRetry    = 200 * time.Millisecond
	outboxAttempts = 3
)

// Send implements Way. A connection that is lost is no answer: the transaction is tried
// again, and finds what the first has done.
func (o *Outbox) Send(ctx context.Context, m *Message) Outcome {
	v := &values{rowID: newUUID(), Message: m}
	open := false // a commit was not answered
	for attempt := 1; ; attempt++ {
		out, err := o.store(ctx, v)
		if err == nil {
			return out
		}
		var unanswered *commitError
		open = open || errors.As(err, &unanswered)
		var refused *pgconn.PgError
		final := errors.As(err, &refused) && !passing(refused.Code)
		switch {
		case !final && attempt < outboxAttempts && pause(ctx, outboxRetry):
			continue
		case open:
			out = failed(CodeUnknown, errUnknown)
		case final:
			out = refusedBy(refused.Code)
			if strings.HasPrefix(refused.Code, "22") {
				return out // what the server says of a value may be the text
			}
		default:
			out = notBegun(CodeUnavailable, "the message cannot be stored now: the database does not answer; send it again in a moment")
		}
		out.Cause = fmt.Errorf("send.outbox.url: %w", err)
		return out
	}
}

// refusedBy is the outcome of a message that the database refuses, by the SQLSTATE, whose first
// two characters are its class.
func refusedBy(code string) Outcome {
	if len(code) < 2 {
		code = "XX000"
	}
	switch class := code[:2]; {
	case class == "22":
		return notBegun(CodeBadRequest, "the message cannot be stored: a value of it has not the form that its column takes, such as an id that is no uuid ("+code+")")
	case code == "23503":
		return notBegun(CodeBadRequest, "the message cannot be stored: it names something that is not there, such as a message that it answers, or its user ("+code+")")
	case class == "42":
		return notBegun(CodeFailed, "the message cannot be stored: the database lacks a table or column, or does not let the bridge write; tell whoever runs it ("+code+")")
	case slices.Contains(laterClasses, class):
		return notBegun(CodeUnavailable, "the message cannot be stored now: the database cannot take it ("+code+"); send it again in a moment")
	}
	return notBegun(CodeFailed, "the message cannot be stored: the database refuses it ("+code+"); tell whoever runs it")
}

// laterClasses are the classes of SQLSTATEs that are not of the message: of connections, roles,
// transactions and resources, and of the server itself.
var laterClasses = []string{"08", "25", "26", "28", "3D", "40", "53", "55", "57", "58", "F0", "XX"}

// commitError is a commit that was not answered: it may have happened.
type commitError struct{ err error }

func (e *commitError) Error() string { return e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// passing tells of an SQLSTATE that another attempt may not meet: the server ends or
// starts, or transactions were in each other's way.
func passing(code string) bool {
	return strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || code == "40001" || code == "40P01"
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// store is one attempt.
func (o *Outbox) store(ctx context.Context, v *values) (Outcome, error) {
	tx, err := o.db.Begin(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer rollBack(ctx, tx)
	if _, err := tx.Exec(ctx, o.sql.lock, pgx.QueryExecModeExec, v.Workspace+"\x1f"+v.ID); err != nil {
		return Outcome{}, err
	}
	if out, known, err := o.again(ctx, tx, v); known || err != nil {
		return out, err
	}
	has, err := exists(ctx, tx, o.sql.conversation, v.Conversation, v.Workspace)
	if otherForm(err) {
		has, err = false, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	if !has {
		return notBegun(CodeConversation, "the workspace has no conversation of that id"), nil
	}
	if err := o.insert(ctx, tx, o.sql.message, o.opts.Message, v); err != nil {
		return Outcome{}, err
	}
	if err := o.insert(ctx, tx, o.sql.row, o.opts.Columns, v); err != nil {
		return Outcome{}, err
	}
	if o.opts.Channel != "" {
		if _, err := tx.Exec(ctx, o.sql.notify, pgx.QueryExecModeExec, o.opts.Channel, v.rowID); err != nil {
			return Outcome{}, err
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return Outcome{}, &commitError{err}
	}
	return Outcome{Status: Pending, RowID: v.rowID}, nil
}

// again is the outcome of a message whose id the outbox has; known is false where it has not.
func (o *Outbox) again(ctx context.Context, db queryer, v *values) (out Outcome, known bool, err error) {
	if known, err = exists(ctx, db, o.sql.known, v.Workspace, v.ID); err != nil || !known {
		return Outcome{}, false, err
	}
	same, err := exists(ctx, db, o.sql.same, v.args(KnownBy(o.opts.Columns))...)
	switch {
	case otherForm(err) || err == nil && !same:
		return Outcome{Status: Failed, Fault: errReused, NotBegun: true}, true, nil
	case err != nil:
		return Outcome{}, true, err
	}
	return Outcome{Status: Pending}, true, nil
}

// otherForm tells that a value has not the form of its column, as of an id that is no uuid.
func otherForm(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "22P02"
}

// rollBack ends a transaction that was not committed; after a commit it does nothing.
func rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// queryer is a transaction or a pool.
type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func exists(ctx context.Context, db queryer, sql string, args ...any) (has bool, err error) {
	err = db.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...).Scan(&has)
	return has, err
}

func (o *Outbox) insert(ctx context.Context, tx pgx.Tx, sql string, fields []Field, v *values) error {
	_, err := tx.Exec(ctx, sql, append([]any{pgx.QueryExecModeExec}, v.args(fields)...)...)
	return err
}

// Statement is a Reader: one statement with the conversation, the workspace and the user
// as $1, $2 and $3, each as often as it likes.
type Statement struct {
	DB  Beginner
	SQL string
}

var _ Reader = (*Statement)(nil)

// NeedsSession implements Reader.
func (s *Statement) NeedsSession() bool { return false }

// MarkRead implements Reader.
func (s *Statement) MarkRead(ctx context.Context, r *ReadRequest) error {
	tx, err := s.DB.Begin(ctx)
	if err != nil {
		return err
	}
	defer rollBack(ctx, tx)
	sql, args := s.SQL, []any{pgx.QueryExecModeExec}
	for i, value := range []string{r.Conversation, r.Workspace, r.User} {
		// The database wants to know the type of each parameter up to the last, so one that
		// is not used is left out, and those after it move up.
		if named := fmt.Sprintf("$%d", i+1); strings.Contains(s.SQL, named) {
			args = append(args, value)
			sql = strings.ReplaceAll(sql, named, fmt.Sprintf("$%d", len(args)-1))
		}
	}
	if _, err := tx.Exec(ctx, sql, args...); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
