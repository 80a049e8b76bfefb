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
// database that conn is connected to. The columns that are looked up are named,
// so that a role needs rights on no others; optional columns that a table does
// not have are left out.
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

// configured is what the configuration and the mapping require of any database.
func configured(cfg *configs.Config, spec *mapping.Spec) provision.Want {
	pg := cfg.Source.Postgres
	w := provision.Want{Publication: pg.Publication, Slot: pg.Slot, MaxLag: uint64(pg.MaxLag)}
	for _, t := range spec.Tables() {
		table := provision.Table{Schema: t.Schema, Name: t.Name, Publish: t.Stream, Lookup: true}
		for _, c := range t.Columns {
			if c.Required {
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
