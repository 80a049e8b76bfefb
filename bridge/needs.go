package bridge

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"
)

// Needs is what a bridge needs of the database that conn is connected to:
// Wants, with the columns that are looked up named, so that a role needs
// rights on no others. Columns that the mapping can do without and the table
// lacks are left out.
func Needs(ctx context.Context, conn *pgx.Conn, want provision.Want, spec *mapping.Spec) (provision.Want, error) {
	want.Tables = slices.Clone(want.Tables)
	for i := range want.Tables {
		t := &want.Tables[i]
		if !t.Lookup || len(t.LookupColumns) > 0 {
			continue
		}
		real, err := provision.Columns(ctx, conn, t.Schema, t.Name)
		if err != nil {
			return want, err
		}
		t.LookupColumns = readOf(spec, t, real)
	}
	return want, nil
}

// readOf returns the columns that the mapping reads and the table has.
func readOf(spec *mapping.Spec, t *provision.Table, real []string) []string {
	var names []string
	for _, read := range spec.Tables() {
		if read.Schema != t.Schema || read.Name != t.Name {
			continue
		}
		for _, c := range read.Columns {
			if slices.Contains(real, c.Name) && !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	return names
}
