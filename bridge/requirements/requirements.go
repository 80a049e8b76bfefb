package requirements

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"
)

// Read returns what a bridge with this configuration and mapping requires of the
// database that conn is connected to. It names the columns that are looked up, so
// that a role needs rights on no others, without the columns that a table does not
// have.
func Read(ctx context.Context, conn *pgx.Conn, cfg *configs.Config, spec *mapping.Spec) (provision.Want, error) {
	want := configured(cfg, spec)
	for i := range want.Tables {
		t := &want.Tables[i]
		if len(t.LookupColumns) > 0 {
			continue
		}
		existing, err := provision.Columns(ctx, conn, t.Schema, t.Name)
		if err != nil {
			return want, err
		}
		t.LookupColumns = columnsRead(spec, t, existing)
	}
	return want, nil
}

// The roles of the two main tables in a mapping.
const (
	message      = "message"
	conversation = "conversation"
)

// configured returns what the configuration and the mapping require of any database.
func configured(cfg *configs.Config, spec *mapping.Spec) provision.Want {
	pg := cfg.Source.Postgres
	w := provision.Want{
		Publication: pg.Publication, Slot: pg.Slot, MaxLag: uint64(pg.MaxLag), NoFailover: pg.FailoverSlot == configs.FailoverOff,
		Cluster: cfg.Cluster.Name,
	}
	for _, t := range spec.Tables() {
		table := provision.Table{
			Schema: t.Schema, Name: t.Name, Publish: t.Stream, Lookup: true, Newest: newest(cfg, spec, &t),
		}
		if !t.Stream && t.By == conversation {
			table.Offer, table.ByOperator = "a change of it, such as another name or picture, shows only with the conversation's next change", true
		}
		for _, c := range t.Columns {
			if c.Required && !c.Derived() {
				table.Columns = append(table.Columns, c.Name)
			}
		}
		w.Tables = append(w.Tables, table)
	}
	if len(cfg.Auth.SupabaseSecrets) > 0 || cfg.Auth.JWKSURL != "" {
		if t, err := provision.ParseTable(cfg.Auth.Members.Table); err == nil {
			t.Lookup = true
			t.Offer = "who is removed from a workspace is noticed within auth.members.cache_ttl, not at once"
			t.LookupColumns = []string{cfg.Auth.Members.UserColumn, cfg.Auth.Members.WorkspaceColumn}
			w.Tables = append(w.Tables, t)
		}
	}
	return w
}

// newest names the columns by which a table's newest rows, or its rows since a time, are
// looked up; nil if they are not.
func newest(cfg *configs.Config, spec *mapping.Spec, t *mapping.Table) *provision.Newest {
	conversation, at := t.Conversation, t.Newest
	if t.Role == message && cfg.Replay.Far > 0 {
		conversation, at = spec.MessageTime()
	}
	if at < 0 || conversation < 0 || t.Workspace < 0 {
		return nil
	}
	for _, slot := range []int{conversation, t.Workspace} {
		if t.Columns[slot].Derived() { // it would need an index on an expression
			return nil
		}
	}
	return &provision.Newest{Conversation: t.Columns[conversation].Name, Workspace: t.Columns[t.Workspace].Name, Time: t.Columns[at].Name}
}

// columnsRead returns those of a table's existing columns that the mapping reads.
func columnsRead(spec *mapping.Spec, t *provision.Table, existing []string) []string {
	var names []string
	for _, read := range spec.Tables() {
		if read.Schema != t.Schema || read.Name != t.Name {
			continue
		}
		for _, c := range read.Columns {
			if slices.Contains(existing, c.Name) && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	return names
}
