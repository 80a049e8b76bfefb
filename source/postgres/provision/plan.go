package provision

import (
	"context"
	"fmt"
	"strings"

	"chatbridge/internal/sqlquote"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

// Statement is one SQL statement of a plan.
type Statement struct {
	// SQL ends in a semicolon and can be pasted into any SQL client, by
	// itself: a slot cannot be created in a transaction that has written.
	SQL string
	// Why says what it is for.
	Why string
	// Needs is the right that it takes.
	Needs string
	// Slot tells that it is about the slot, which a running source creates by
	// itself, and knows what was lost when it has to.
	Slot bool
	// Offer tells that the bridge works without it.
	Offer bool
}

// Plan returns the statements that create what the report found missing, in
// the order in which they have to run: the publication before the slot,
// because a slot cannot get past a change from before its publication. It is
// empty where nothing is missing. What it leaves out, such as a table that
// cannot be published without harm, is among the report's failures.
func Plan(r Report) []Statement {
	var plan []Statement
	const owner = "ownership of the tables, and CREATE on the database"
	switch {
	case !r.publicationExists && len(r.publishable) == 0:
		// Nothing could be followed; a slot would only hold back the log.
		return nil
	case len(r.others) > 0 && (len(r.unpublished) > 0 || !r.publicationOp):
		return nil // the same, and the publication is not ours to change
	case !r.publicationExists:
		plan = append(plan, Statement{SQL: r.createPublication(), Why: "says which tables to follow", Needs: owner})
	default:
		if !r.publicationOp {
			plan = append(plan, Statement{
				SQL: fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate');", quoteIdent(r.want.Publication)),
				Why: "publishes inserts and updates", Needs: "ownership of the publication",
			})
		}
		if len(r.unpublished) > 0 {
			plan = append(plan, Statement{
				SQL: r.addTables(r.unpublished...),
				Why: "adds the tables that are missing", Needs: "ownership of the publication and of the tables",
			})
		}
	}
	switch {
	case r.recovery:
		// Its slots are copies of the primary's.
	case !r.slotExists:
		plan = append(plan, Statement{SQL: r.createSlot(), Why: "keeps changes while the bridge is away", Needs: "REPLICATION", Slot: true})
	case r.slotLost:
		plan = append(plan, Statement{SQL: r.dropSlot(), Why: "the slot is lost", Needs: "REPLICATION", Slot: true},
			Statement{SQL: r.createSlot(), Why: "keeps changes while the bridge is away", Needs: "REPLICATION", Slot: true})
	}
	for _, t := range r.unoffered {
		if t.ByOperator || len(r.others) > 0 {
			continue
		}
		plan = append(plan, Statement{
			SQL: r.addTables(t), Why: "not needed, but otherwise " + t.Offer, Needs: "ownership of the publication and of the table", Offer: true,
		})
	}
	return plan
}

// Offers returns statements that nothing depends on and that are worth running, after
// those of the Plan: they are left to the operator, because one may take long on a
// large table and the other sends the bridge more.
func Offers(r Report) []Statement {
	var offers []Statement
	for _, t := range r.unoffered {
		if t.ByOperator {
			offers = append(offers, Statement{
				SQL: r.addTables(t), Why: "without it, " + t.Offer, Needs: "ownership of the publication and of the table", Offer: true,
			})
		}
	}
	for _, t := range r.unindexed {
		offers = append(offers, Statement{
			SQL: t.createIndex(), Why: "leads look-ups to a conversation's newest message", Needs: "ownership of the table",
		})
	}
	return offers
}

func (r *Report) createPublication() string {
	return createPublicationSQL(r.want.Publication, r.publishable, r.viaRootNeeded)
}

func createPublicationSQL(name string, tables []Table, viaRoot bool) string {
	if len(tables) == 0 {
		return ""
	}
	sql := fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s", quoteIdent(name), tableList(tables))
	if viaRoot {
		sql += " WITH (publish_via_partition_root = true)"
	}
	return sql + ";"
}

func tableList(tables []Table) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.sql()
	}
	return strings.Join(names, ", ")
}

func (r *Report) createSlot() string {
	return postgres.CreateSlotSQL(r.want.Slot, r.version, !r.want.NoFailover)
}

func (r *Report) dropSlot() string {
	return fmt.Sprintf("SELECT pg_drop_replication_slot(%s);", sqlquote.Literal(r.want.Slot))
}

func (r *Report) replaceSlot() string { return r.dropSlot() + "\n" + r.createSlot() }

// ApplyError tells which statement failed. Those before it are done, those
// after it are not.
type ApplyError struct {
	Statement Statement
	Err       error
}

// Error names the statement and the right that it takes.
func (e *ApplyError) Error() string {
	return fmt.Sprintf("run %s: %v (it takes %s)", e.Statement.SQL, e.Err, e.Statement.Needs)
}

// Unwrap returns the server's error.
func (e *ApplyError) Unwrap() error { return e.Err }

// ReadOnly is the finding for a statement that a read-only database refuses.
func ReadOnly(s Statement) Finding {
	return Finding{
		ID: "server.read_only", Level: Fail, What: "the database is read-only, and lacks what the bridge needs",
		Meaning: "the bridge goes on by itself when it is there", Fix: "where the database can be written: " + s.SQL,
	}
}

// lockTimeout keeps a statement from queueing behind a long transaction,
// where the application's own statements would queue behind it in turn.
const lockTimeout = "10s"

// Apply runs a plan, each statement in a transaction of its own. It stops at
// the first that fails, with an *ApplyError.
func Apply(ctx context.Context, conn *pgx.Conn, plan []Statement) error {
	if len(plan) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, "set lock_timeout = '"+lockTimeout+"'"); err != nil {
		return fmt.Errorf("set a lock time-out: %w", err)
	}
	for _, s := range plan {
		if _, err := conn.Exec(ctx, s.SQL); err != nil {
			return &ApplyError{Statement: s, Err: err}
		}
	}
	if _, err := conn.Exec(ctx, "reset lock_timeout"); err != nil {
		return fmt.Errorf("reset the lock time-out: %w", err)
	}
	return nil
}

// RoleSQL returns the statements that create a role with no more rights than
// the bridge needs: REPLICATION, and SELECT on what it looks up. The role gets no
// password, so that what is pasted as it is lets nobody in. On Supabase the role postgres may run them from Postgres
// 17 on; before, the bridge has to use the role postgres.
func RoleSQL(want Want, role string) []Statement {
	name := quoteIdent(role)
	admin := "superuser; on Supabase, the role postgres of a Postgres 17 project"
	plan := []Statement{{
		SQL: fmt.Sprintf("CREATE ROLE %s LOGIN REPLICATION;", name), Why: "a role with no more rights than it needs, and no password yet", Needs: admin,
	}}
	schemas := map[string]bool{}
	for _, t := range want.Tables {
		if !t.Lookup {
			continue
		}
		usage, read, policy := t.roleSQL(role)
		if !schemas[t.Schema] {
			schemas[t.Schema] = true
			plan = append(plan, Statement{
				SQL: usage, Why: "to look things up", Needs: "ownership of the schema",
			})
		}
		plan = append(plan,
			Statement{SQL: read, Why: "to look things up", Needs: "ownership of the table"},
			Statement{
				SQL: policy,
				Why: "shows all rows to the bridge where row level security is on, and does nothing where it is off", Needs: "ownership of the table",
			})
	}
	return plan
}

// roleSQL returns what lets a role read the table.
func (t Table) roleSQL(role string) (usage, read, policy string) {
	name, columns := quoteIdent(role), ""
	if len(t.LookupColumns) > 0 {
		columns = " (" + quoteIdents(t.LookupColumns) + ")"
	}
	return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", quoteIdent(t.Schema), name),
		fmt.Sprintf("GRANT SELECT%s ON %s TO %s;", columns, t.sql(), name),
		fmt.Sprintf("CREATE POLICY %s ON %s FOR SELECT TO %s USING (true);", quoteIdent(role+"_reads"), t.sql(), name)
}
