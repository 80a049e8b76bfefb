package source

import "time"

// Op is what happened to a row.
type Op uint8

// The operations that a source reports.
const (
	Insert Op = iota + 1
	Update
	Delete
	Truncate
)

// String returns the operation in lower case, as metrics and logs show it.
func (o Op) String() string {
	switch o {
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Truncate:
		return "truncate"
	}
	return "unknown"
}

// Kind reports whether a Value holds something.
type Kind uint8

const (
	// Absent is the zero Kind: the source did not send this column at all,
	// such as a non-key column of an old row under replica identity default.
	// It is not NULL.
	Absent Kind = iota
	// Null is SQL's NULL.
	Null
	// Unchanged is a stored-out-of-line (TOAST) value that the change did not
	// touch and the source therefore did not send (cdc.md 2.1).
	Unchanged
	// Text is a value in Postgres's text form.
	Text
)

// Value is one column of one row. Data is set for Text only and aliases the
// source's read buffer: it is valid until the Handler's method returns.
//
// Data is in Postgres's text output form as a session with DateStyle ISO and
// TimeZone UTC prints it: `t`/`f`, `2026-02-05 18:58:02.123456+00`, canonical
// jsonb, `{a,b}` for arrays. A source that gets values in another form (such
// as Realtime's JSON) converts them, with one liberty: times may be in the
// ISO form with a `T` and a colon in the offset, booleans may be `true` and
// `false`, and json columns may have any white space.
type Value struct {
	Kind Kind
	Data []byte
}

// Row is the values of one row in the order of its Relation's columns. It may
// be shorter than the columns only where the Change's documentation says nil.
type Row []Value

// Identity is a table's replica identity, as pg_class.relreplident has it.
type Identity byte

// The replica identities of Postgres.
const (
	IdentityDefault Identity = 'd'
	IdentityNothing Identity = 'n'
	IdentityFull    Identity = 'f'
	IdentityIndex   Identity = 'i'
)

// Column describes one column of a Relation.
type Column struct {
	Name string
	// Type is the name of the type as pg_type.typname has it (`uuid`, `text`,
	// `timestamptz`, `jsonb`, `_text` for text[]); empty where the source only
	// knows TypeOID and the type is not built in.
	Type string
	// TypeOID is the type's OID, 0 where the source does not know it.
	TypeOID uint32
	// Key tells that the column is part of the replica identity. Under
	// IdentityFull every column is (cdc.md section 0, rule 6), so it does not
	// tell the primary key.
	Key bool
}

// Relation describes a table as of one point in the stream. A source makes a
// new Relation whenever the table's shape may have changed and never alters
// one it has handed out, so a pointer may be compared and kept: a mapping
// binds its plan once per pointer.
type Relation struct {
	Schema, Name string
	Identity     Identity
	Columns      []Column
}

// Tx is one transaction.
type Tx struct {
	// Commit orders transactions: see Position.Commit.
	Commit uint64
	// Time is the commit's time on the server's clock, in UTC. Later
	// transactions may have earlier times.
	Time time.Time
	// Again: an earlier process handled the transaction as far as is known, and it is read
	// once more to fill the log.
	Again bool
}

// Change is one row's change. It and all it points to, Relation apart, is
// valid only until the Handler's method returns: values alias the read
// buffer. Who keeps one copies it.
type Change struct {
	Op       Op
	Relation *Relation
	// New is the row after an Insert or Update, nil otherwise.
	New Row
	// Old is the row before an Update or Delete as far as the source knows
	// it, else nil. Under IdentityFull all columns are there. Otherwise only
	// key columns are, the others are Absent, and for an Update it is nil
	// unless the key changed.
	Old Row
	// Late tells that the change did not come in its place: it was lost, and read
	// back. Later changes of other rows may have come before it.
	Late bool
}
