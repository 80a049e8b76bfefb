package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// relation is what the catalog says of a table.
type relation struct {
	Kind        string // r table, p partitioned, v view …
	Persistence string // p permanent, u unlogged
	Identity    string // d n f i
	Usable      bool   // updates and deletes work once they are published
	RLS         bool
	Owned       bool // our role may put it into a publication
	Columns     []string
	Numbers     []int16 // of the columns
}

// column is a real column of a table, and the number that only it ever has.
type column struct {
	name   string
	number int16
}

// The identity is usable where it is full, or has an index: for default a
// primary key that is checked at once (a deferrable one does not count), for
// an index one that is still there.
const relationSQL = `
select c.relkind::text, c.relpersistence::text, c.relreplident::text,
	c.relreplident = 'f' or exists (
		select from pg_index i where i.indrelid = c.oid and i.indisvalid and i.indimmediate
			and ((c.relreplident = 'd' and i.indisprimary) or (c.relreplident = 'i' and i.indisreplident))),
	c.relrowsecurity, pg_has_role(c.relowner, 'usage'),
	array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum),
	array(select a.attnum from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2`

func (r *Report) tables(ctx context.Context, conn *pgx.Conn) error {
	for _, t := range r.want.Tables {
		rows, err := conn.Query(ctx, relationSQL, t.Schema, t.Name)
		if err != nil {
			return fmt.Errorf("inspect the table %s: %w", t, err)
		}
		rel, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[relation])
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			r.add(Finding{
				ID: "table.missing", Object: t.String(), Level: Fail, What: fmt.Sprintf("the table %s does not exist", t),
				Meaning: "its events cannot be made", Fix: "check the mapping's table names and the database in the URL",
			})
		case err != nil:
			return fmt.Errorf("inspect the table %s: %w", t, err)
		default:
			for i, name := range rel.Columns {
				r.columns[t.String()] = append(r.columns[t.String()], column{name, rel.Numbers[i]})
			}
			r.table(t, &rel)
			if err := r.newestIndex(ctx, conn, t, &rel); err != nil {
				return err
			}
		}
	}
	return nil
}

// table checks a table that exists.
func (r *Report) table(t Table, rel *relation) {
	if missing := without(append(slices.Clone(t.Columns), t.LookupColumns...), rel.Columns); len(missing) > 0 {
		r.add(Finding{
			ID: "table.columns", Object: t.String(), Level: Fail, What: fmt.Sprintf("%s has no column %s", t, strings.Join(missing, ", ")),
			Meaning: "the mapping reads it", Fix: "change the mapping (mapping.file), or add the column",
		})
	}
	if t.Offer != "" && !slices.ContainsFunc(r.want.published(), func(w Table) bool { return w.String() == t.String() }) {
		r.offered(t, rel)
	}
	if !t.Publish {
		return
	}
	switch {
	case rel.Kind != "r" && rel.Kind != "p":
		r.add(Finding{
			ID: "table.kind", Object: t.String(), Level: Fail, What: fmt.Sprintf("%s is not a table", t),
			Meaning: "only a table's changes can be followed", Fix: "name the tables that are below it in the mapping",
		})
	case rel.Persistence != "p":
		r.add(Finding{
			ID: "table.unlogged", Object: t.String(), Level: Fail, What: fmt.Sprintf("%s is unlogged", t),
			Meaning: "its changes are not in the server's log", Fix: fmt.Sprintf("ALTER TABLE %s SET LOGGED;", t.sql()),
		})
	case rel.Kind == "r" && !rel.Usable:
		r.add(Finding{
			ID: "table.identity", Object: t.String(), Level: Fail, What: fmt.Sprintf("%s has no replica identity that works: no primary key", t),
			Meaning: "published, every UPDATE and DELETE of it by the application would fail, so it is not",
			Fix:     fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL; -- or better, add a primary key", t.sql()),
		})
	default:
		r.publishable = append(r.publishable, t)
		r.viaRootNeeded = r.viaRootNeeded || rel.Kind == "p"
		r.ok("table.identity", t.String(), fmt.Sprintf("%s can be followed", t))
		r.tableNotes(t, rel)
	}
}

// offered checks a table that is published only where that harms nobody.
func (r *Report) offered(t Table, rel *relation) {
	if rel.Kind == "r" && rel.Persistence == "p" && rel.Usable || t.ByOperator && rel.Kind == "p" {
		r.offerable = append(r.offerable, t)
		return
	}
	if t.ByOperator {
		return
	}
	r.add(Finding{
		ID: "table.offer", Object: t.String(), Level: Warn, What: fmt.Sprintf("%s cannot be published: it has no primary key, or is no ordinary table", t),
		Meaning: t.Offer, Fix: fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (…);", t.sql()),
	})
}

// tableNotes adds what an operator should know of a table that can be followed.
func (r *Report) tableNotes(t Table, rel *relation) {
	if rel.RLS {
		r.ok("table.rls", t.String(), fmt.Sprintf("row level security of %s does not apply to replication: the bridge sees every row and decides itself who gets it", t))
	}
	if !rel.Owned {
		r.foreign = append(r.foreign, t.String())
		r.add(Finding{
			ID: "table.owner", Object: t.String(), Level: OK,
			What: fmt.Sprintf("our role does not own %s: only its owner can put it into a publication", t),
		})
	}
}

// indexesSQL gives the columns of each index that serves any query, in their order;
// an expression has no name.
const indexesSQL = `
select array(select coalesce((select a.attname::text from pg_attribute a where a.attrelid = i.indrelid and a.attnum = k.attnum), '')
		from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(attnum, n) order by n)
from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and i.indisvalid and i.indpred is null`

// newestIndex reports a table of messages in which each look-up of a
// conversation's newest message reads all of them.
func (r *Report) newestIndex(ctx context.Context, conn *pgx.Conn, t Table, rel *relation) error {
	if t.Newest == nil || rel.Kind != "r" && rel.Kind != "p" || len(without([]string{t.Newest.Conversation, t.Newest.Time}, rel.Columns)) > 0 {
		return nil
	}
	rows, err := conn.Query(ctx, indexesSQL, t.Schema, t.Name)
	if err != nil {
		return fmt.Errorf("inspect the indexes of %s: %w", t, err)
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		return fmt.Errorf("inspect the indexes of %s: %w", t, err)
	}
	columns := t.Newest.Conversation + ", " + t.Newest.Time
	if slices.ContainsFunc(indexes, t.Newest.servedBy) {
		r.ok("table.index", t.String(), fmt.Sprintf("%s has an index on (%s)", t, columns))
		return nil
	}
	t.partitioned = rel.Kind == "p"
	r.unindexed = append(r.unindexed, t)
	r.add(Finding{
		ID: "table.index", Object: t.String(), Level: Warn, What: fmt.Sprintf("%s has no index on (%s)", t, columns),
		Meaning: "each look-up of a conversation's newest message reads the table, and may take longer than lookup.timeout; catching up a client that was away (replay.far) reads it for each conversation", Fix: t.createIndex(),
	})
	return nil
}

// servedBy reports whether an index on these columns leads to the newest row at once.
func (n *Newest) servedBy(index []string) bool {
	conversation := false
	for _, column := range index {
		switch column {
		case n.Time:
			return conversation
		case n.Conversation:
			conversation = true
		case n.Workspace:
		default:
			return false
		}
	}
	return false
}

// createIndex is the statement that makes the index for the newest rows. Without
// CONCURRENTLY, which a partitioned table does not have, it keeps writers out.
func (t Table) createIndex() string {
	concurrently := " CONCURRENTLY"
	if t.partitioned {
		concurrently = ""
	}
	return fmt.Sprintf("CREATE INDEX%s ON %s (%s, %s);", concurrently, t.sql(), quoteIdent(t.Newest.Conversation), quoteIdent(t.Newest.Time))
}

// without returns the elements of a that are not in b.
func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
