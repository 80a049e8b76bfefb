package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// publication is what the catalog says of it.
type publication struct {
	OID                                        int64
	XMin                                       string
	AllTables, Insert, Update, Delete, ViaRoot bool
	Owned                                      bool // by our role
}

// member is a table of a publication.
type member struct {
	Schema, Name string
	Columns      []string // nil for all, also before 15
	Filter       string   // before 15 empty
	Identity     string
	Usable       bool
	KeyColumns   []string // of the replica identity, nil under full
	Partitions   bool
	OID          int64
	// Row is the membership's row in the catalog and its version, empty for a
	// table that is in it with all others.
	Row string
}

const publicationSQL = `select oid::int8, xmin::text, puballtables, pubinsert, pubupdate, pubdelete, pubviaroot, pg_has_role(pubowner, 'usage') from pg_publication where pubname = $1`

// Columns and filter are in the view from 15 on; to_jsonb gives null before.
// A column list is one only where prattrs is set: the view lists all columns
// of a table without one.
const memberSQL = `
select p.schemaname::text, p.tablename::text,
	case when exists (select from pg_publication_rel r join pg_publication b on b.oid = r.prpubid
			where b.pubname = $1 and r.prrelid = c.oid and to_jsonb(r) ->> 'prattrs' is not null)
		then array(select jsonb_array_elements_text(to_jsonb(p) -> 'attnames')) end,
	coalesce(to_jsonb(p) ->> 'rowfilter', ''),
	c.relreplident::text,
	c.relkind <> 'r' or c.relreplident = 'f' or exists (
		select from pg_index i where i.indrelid = c.oid and i.indisvalid and i.indimmediate
			and ((c.relreplident = 'd' and i.indisprimary) or (c.relreplident = 'i' and i.indisreplident))),
	case when c.relreplident <> 'f' then array(select a.attname::text from pg_index i
		join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
		where i.indrelid = c.oid and ((c.relreplident = 'd' and i.indisprimary) or (c.relreplident = 'i' and i.indisreplident))) end,
	exists (select from pg_inherits where inhrelid = c.oid) and c.relispartition,
	c.oid::int8, coalesce((select r.oid::text || ':' || r.xmin::text from pg_publication_rel r join pg_publication b on b.oid = r.prpubid
		where b.pubname = $1 and r.prrelid = c.oid), '')
from pg_publication_tables p
	join pg_namespace n on n.nspname = p.schemaname join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
where p.pubname = $1 order by 1, 2`

func (r *Report) publication(ctx context.Context, conn *pgx.Conn) error {
	name := r.want.Publication
	rows, err := conn.Query(ctx, publicationSQL, name)
	if err != nil {
		return fmt.Errorf("inspect the publication: %w", err)
	}
	pub, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[publication])
	if errors.Is(err, pgx.ErrNoRows) {
		r.unpublished, r.unoffered = r.publishable, r.offerable
		if r.willCreate(r.mayCreate && len(r.publishable) > 0 && len(r.foreign) == 0) {
			r.ok("publication.missing", name, fmt.Sprintf("there is no publication %s yet: `bridge serve` creates it", name))
			r.offersBefore()
			return nil
		}
		r.add(Finding{
			ID: "publication.missing", Object: name, Level: Fail, What: fmt.Sprintf("the publication %s does not exist", name),
			Meaning: "nothing says which tables to follow", Fix: r.createPublication(),
		})
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect the publication: %w", err)
	}
	r.publicationExists = true
	r.pub = pub
	rows, err = conn.Query(ctx, memberSQL, name)
	if err != nil {
		return fmt.Errorf("inspect the publication's tables: %w", err)
	}
	members, err := pgx.CollectRows(rows, pgx.RowToStructByPos[member])
	if err != nil {
		return fmt.Errorf("inspect the publication's tables: %w", err)
	}
	r.members = members
	r.others = r.othersTables(&pub)
	r.publicationOperations(&pub)
	r.publicationTables(&pub, members)
	r.publicationOffers()
	r.publicationForeign()
	for i := range members {
		r.publicationMember(&pub, &members[i])
	}
	return nil
}

func (r *Report) publicationOperations(pub *publication) {
	name := r.want.Publication
	r.publicationOp = pub.Insert && pub.Update
	if !r.publicationOp && len(r.others) == 0 && r.willCreate(pub.Owned) {
		r.ok("publication.operations", name, fmt.Sprintf("the publication %s leaves out inserts or updates: `bridge serve` alters it", name))
	} else if !r.publicationOp {
		r.add(Finding{
			ID: "publication.operations", Object: name, Level: Fail, What: fmt.Sprintf("the publication %s leaves out inserts or updates", name),
			Meaning: "new messages or changes of status never arrive",
			Fix:     fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate');", quoteIdent(name)),
		})
	}
	if pub.AllTables {
		r.add(Finding{
			ID: "publication.all_tables", Object: name, Level: Warn, What: fmt.Sprintf("the publication %s is for all tables", name),
			Meaning: "the bridge receives far more than it needs, and the application's UPDATEs of any table without a primary key fail",
			Fix:     "use a publication of its own:\n" + createPublicationSQL(name+"_2", r.publishable, r.viaRootNeeded) + " -- and source.postgres.publication: " + name + "_2",
		})
	}
}

func (r *Report) publicationTables(pub *publication, members []member) {
	name := r.want.Publication
	for _, t := range r.publishable {
		if r.member(t) != nil {
			r.ok("publication.tables", t.String(), fmt.Sprintf("%s is in the publication %s", t, name))
			continue
		}
		if r.viaRootNeeded && !pub.ViaRoot && slices.ContainsFunc(members, func(m member) bool { return m.Partitions }) {
			r.add(Finding{
				ID: "publication.partitions", Object: t.String(), Level: Fail, What: fmt.Sprintf("the publication %s gives the partitions' names", name),
				Meaning: "the rows of a partitioned table do not arrive under its own name",
				Fix:     fmt.Sprintf("ALTER PUBLICATION %s SET (publish_via_partition_root = true);", quoteIdent(name)),
			})
			continue
		}
		r.unpublished = append(r.unpublished, t)
		if len(r.others) > 0 {
			continue // publicationForeign reports it
		}
		if r.willCreate(pub.Owned && !slices.Contains(r.foreign, t.String())) {
			r.ok("publication.tables", t.String(), fmt.Sprintf("%s is not in the publication %s yet: `bridge serve` adds it", t, name))
			continue
		}
		r.add(Finding{
			ID: "publication.tables", Object: t.String(), Level: Fail, What: fmt.Sprintf("%s is not in the publication %s", t, name),
			Meaning: "its changes never arrive", Fix: r.addTables(t),
		})
	}
}

// othersTables are the tables of a publication where it is somebody else's: it has none that
// the bridge has to follow. What is added to it goes to whoever reads it. One that has such a
// table is the bridge's, also where another one was renamed in it. None for one of all tables,
// which lacks nothing.
func (r *Report) othersTables(pub *publication) []string {
	if pub.AllTables {
		return nil
	}
	var all []string
	for _, m := range r.members {
		t := Table{Schema: m.Schema, Name: m.Name}.String()
		if r.want.needs(t) {
			return nil
		}
		if !m.Partitions {
			all = append(all, t)
		}
	}
	return all
}

// publicationForeign reports a publication of somebody else that lacks what the bridge
// needs: only the operator adds to it.
func (r *Report) publicationForeign() {
	if len(r.others) == 0 || len(r.unpublished) == 0 {
		return
	}
	name := r.want.Publication
	r.add(Finding{
		ID: "publication.foreign", Object: name, Level: Fail,
		What:    fmt.Sprintf("the publication %s has other tables (%s) and lacks %s: it looks like somebody else's", name, strings.Join(r.others, ", "), tableNames(r.unpublished)),
		Meaning: "the bridge adds nothing to it, because whoever reads it would be sent that",
		Fix:     "source.postgres.publication: a name of its own, such as chatbridge; or, if it is meant: " + r.addTables(r.unpublished...),
	})
}

func tableNames(tables []Table) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// publicationOffers reports the tables that might be in the publication.
func (r *Report) publicationOffers() {
	name := r.want.Publication
	for _, t := range r.offerable {
		if r.member(t) != nil {
			r.ok("publication.offer", t.String(), fmt.Sprintf("%s is in the publication %s", t, name))
			continue
		}
		r.unoffered = append(r.unoffered, t)
		r.add(Finding{
			ID: "publication.offer", Object: t.String(), Level: Warn, What: fmt.Sprintf("%s is not in the publication %s", t, name),
			Meaning: t.Offer, Fix: r.addTables(t),
		})
	}
}

// offersBefore reports the tables that will not be in the publication that a bridge makes:
// the same as is reported once it is there.
func (r *Report) offersBefore() {
	for _, t := range r.offerable {
		if t.ByOperator {
			r.add(Finding{
				ID: "publication.offer", Object: t.String(), Level: Warn, What: fmt.Sprintf("%s will not be in the publication %s that `bridge serve` creates", t, r.want.Publication),
				Meaning: t.Offer, Fix: createPublicationSQL(r.want.Publication, append(slices.Clone(r.publishable), t), r.viaRootNeeded),
			})
		}
	}
}

// member returns a table of the publication, nil where it is not in it.
func (r *Report) member(t Table) *member {
	for i, m := range r.members {
		if m.Schema == t.Schema && m.Name == t.Name {
			return &r.members[i]
		}
	}
	return nil
}

// Follows reports whether all changes of a table reach a stream with these columns.
func (r *Report) Follows(t Table, columns ...string) bool {
	m := r.member(t)
	return m != nil && r.pub.Insert && r.pub.Update && r.pub.Delete && m.Filter == "" && (m.Columns == nil || len(without(columns, m.Columns)) == 0)
}

// addTables is the statement that adds tables to the publication.
func (r *Report) addTables(tables ...Table) string {
	return fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s;", quoteIdent(r.want.Publication), tableList(tables))
}

// publicationMember checks one table of the publication.
func (r *Report) publicationMember(pub *publication, m *member) {
	t := Table{Schema: m.Schema, Name: m.Name}
	wanted := slices.IndexFunc(r.want.Tables, func(w Table) bool { return w.Publish && w.Schema == m.Schema && w.Name == m.Name })
	changes := pub.Update || pub.Delete
	if changes && !m.Usable {
		r.add(Finding{
			ID: "publication.identity", Object: t.String(), Level: Fail, What: fmt.Sprintf("%s is published and has no replica identity that works", t),
			Meaning: "the application's UPDATE and DELETE of it fail now",
			Fix: fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s; -- or ALTER TABLE %[2]s REPLICA IDENTITY FULL;",
				quoteIdent(r.want.Publication), t.sql()),
		})
	}
	r.columnList(changes, m, t)
	r.rowFilter(changes, m, t)
	if wanted < 0 {
		offered := slices.ContainsFunc(r.offerable, func(o Table) bool { return o.String() == t.String() })
		gone := slices.IndexFunc(r.want.Tables, func(w Table) bool { return w.Publish && r.columns[w.String()] == nil })
		switch {
		case pub.AllTables || m.Partitions || offered:
		case gone >= 0: // a publication keeps a table that is renamed
			r.add(Finding{
				ID: "publication.extra", Object: t.String(), Level: Warn, What: fmt.Sprintf("the publication holds %s, which the mapping does not name", t),
				Meaning: fmt.Sprintf("it may be %s with another name", r.want.Tables[gone]),
				Fix:     "if it was renamed, name it in mapping.file, or rename it back",
			})
		default:
			r.add(Finding{
				ID: "publication.extra", Object: t.String(), Level: Warn, What: fmt.Sprintf("the publication holds %s, which the bridge does not need", t),
				Meaning: "its rows, whatever they hold, are sent to the bridge",
				Fix:     fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s; -- if nobody else uses the publication", quoteIdent(r.want.Publication), t.sql()),
			})
		}
		return
	}
	if missing := without(r.want.Tables[wanted].Columns, m.Columns); m.Columns != nil && len(missing) > 0 {
		r.add(Finding{
			ID: "publication.columns", Object: t.String(), Level: Fail, What: fmt.Sprintf("the publication leaves out %s of %s", strings.Join(missing, ", "), t),
			Meaning: "the mapping reads it", Fix: r.publishAll(t),
		})
	}
}

// publishAll is the statement that publishes all of a table.
func (r *Report) publishAll(t Table) string {
	return fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s; ALTER PUBLICATION %[1]s ADD TABLE %[2]s;", quoteIdent(r.want.Publication), t.sql())
}

// columnList reports a column list that makes the application's updates fail:
// it must cover the replica identity, which under full is every column.
func (r *Report) columnList(changes bool, m *member, t Table) {
	if m.Columns == nil || !changes {
		return
	}
	uncovered := without(m.KeyColumns, m.Columns)
	if m.Identity == "f" || len(uncovered) > 0 {
		r.add(Finding{
			ID: "publication.column_list", Object: t.String(), Level: Fail, What: fmt.Sprintf("the publication's column list of %s does not cover its replica identity", t),
			Meaning: "the application's UPDATE and DELETE of it fail now (42P10)", Fix: r.publishAll(t),
		})
	}
}

// rowFilter reports a WHERE in the publication.
func (r *Report) rowFilter(changes bool, m *member, t Table) {
	if m.Filter == "" {
		return
	}
	meaning := "the other rows never arrive, and a row that comes under the filter or leaves it looks new or deleted"
	if changes && m.Identity != "f" {
		meaning += "; if the filter reads columns outside of the replica identity, the application's UPDATE fails (42P10)"
	}
	r.add(Finding{
		ID: "publication.row_filter", Object: t.String(), Level: Warn, What: fmt.Sprintf("the publication takes only rows of %s where %s", t, m.Filter),
		Meaning: meaning, Fix: r.publishAll(t),
	})
}
