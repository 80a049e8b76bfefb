package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Table is a table that the bridge needs.
type Table struct {
	Schema, Name string
	// Publish: its changes are followed.
	Publish bool
	// Columns are the columns that are needed from the stream; empty means
	// that any will do.
	Columns []string
	// Lookup: it is read with SELECT too, the columns of LookupColumns, or
	// all where that is empty.
	Lookup        bool
	LookupColumns []string
	// Newest are the columns by which the newest row of each conversation is
	// looked up; nil where none is.
	Newest *Newest
	// Offer says what is worse where its changes are not followed; the bridge works
	// without. Empty for a table whose changes are of no use, or which Publish asks
	// for anyway.
	Offer string
	// ByOperator: an offer that only the operator accepts, because it sends the
	// bridge more. Others are published where that can be.
	ByOperator bool

	partitioned bool // set where the table is seen
}

// Newest are columns of a table of messages: the conversation's key, the workspace
// and the time that orders them.
type Newest struct{ Conversation, Workspace, Time string }

// String returns schema.name.
func (t Table) String() string { return t.Schema + "." + t.Name }

// sql returns the quoted name.
func (t Table) sql() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

// ParseTable reads schema.name; without a dot the schema is public.
func ParseTable(s string) (Table, error) {
	schema, name, ok := strings.Cut(s, ".")
	if !ok {
		schema, name = "public", s
	}
	if schema == "" || name == "" {
		return Table{}, fmt.Errorf("table %q: want schema.name", s)
	}
	return Table{Schema: schema, Name: name}, nil
}

// Want is what the bridge needs of a database.
type Want struct {
	Publication string
	Slot        string
	Tables      []Table
	// MaxLag is how many bytes the slot may hold back, 0 for 1 GiB.
	MaxLag uint64
	// NoFailover: the slot is to be one that standbys do not copy; see
	// postgres.Options.
	NoFailover bool
	// Check makes the inspection that of `bridge check`: what a bridge that starts
	// creates by itself, and may, is as it should be; and a slot that nobody reads is
	// tried where it may be older than its publication, which takes it for a moment.
	// Creates tells that a bridge that starts creates what is missing.
	Check, Creates bool
	// ApplicationName is the name of the bridge's connections. Default
	// chatbridge.
	ApplicationName string
	// Cluster is the name of the bridge's cluster, empty for none.
	Cluster string
}

// validate reports a Want that asks for nothing.
func (w *Want) validate() error {
	if w.Publication == "" || w.Slot == "" {
		return errors.New("inspect: publication and slot need names")
	}
	if len(w.published()) == 0 {
		return errors.New("inspect: no table is to be published")
	}
	if w.MaxLag == 0 {
		w.MaxLag = 1 << 30
	}
	if w.ApplicationName == "" {
		w.ApplicationName = "chatbridge"
	}
	return nil
}

func (w *Want) published() []Table {
	return slices.DeleteFunc(slices.Clone(w.Tables), func(t Table) bool { return !t.Publish })
}

// needs reports whether the changes of a table, as schema.name, have to be followed.
func (w *Want) needs(table string) bool {
	return slices.ContainsFunc(w.Tables, func(t Table) bool { return t.Publish && t.String() == table })
}

// follows reports whether a table, as schema.name, is one that may be published for the
// bridge.
func (w *Want) follows(table string) bool {
	return slices.ContainsFunc(w.Tables, func(t Table) bool { return (t.Publish || t.Offer != "") && t.String() == table })
}

// quoteIdent quotes an SQL identifier.
func quoteIdent(s string) string { return pgx.Identifier{s}.Sanitize() }

func quoteIdents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}
