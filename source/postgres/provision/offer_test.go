package provision_test

import (
	"slices"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/provision"
)

// TestOfferedTable: a table that is only of use is added by the plan's last statement,
// is nobody's failure, counts as no part of what must be followed, and is left alone
// where publishing it would make the application's statements fail.
func TestOfferedTable(t *testing.T) {
	t.Parallel()
	members := provision.Table{Schema: "public", Name: "workspace_members", Lookup: true, Offer: "who leaves is noticed late"}
	columns := []string{"user_id", "workspace_id"}
	for name, tt := range map[string]struct {
		sql     []string
		offered bool // a statement is planned
		follows bool
		finding string
		level   provision.Level
	}{
		"no publication": {nil, true, false, "publication.missing", provision.Fail},
		"not in it":      {[]string{"create publication bridge for table messages, conversations"}, true, false, "publication.offer", provision.Warn},
		"in it":          {[]string{"create publication bridge for table messages, conversations, workspace_members"}, false, true, "publication.offer", provision.OK},
		"all tables":     {[]string{"create publication bridge for all tables"}, false, true, "publication.offer", provision.OK},
		"replica identity full": {
			[]string{"alter table workspace_members replica identity full", "create publication bridge for table messages, conversations, workspace_members"},
			false, true, "publication.offer", provision.OK,
		},
		"only some rows": {
			[]string{"create publication bridge for table messages, conversations, workspace_members where (id is not null)"},
			false, false, "publication.row_filter", provision.Warn,
		},
		"only some columns": {
			[]string{"create publication bridge for table messages, conversations, workspace_members (id, user_id)"},
			false, false, "publication.offer", provision.OK,
		},
		"no deletes": {
			[]string{"create publication bridge for table messages, conversations, workspace_members with (publish = 'insert, update')"},
			false, false, "publication.offer", provision.OK,
		},
		"no primary key": {
			[]string{"alter table workspace_members drop constraint workspace_members_pkey", "create publication bridge for table messages, conversations"},
			false, false, "table.offer", provision.Warn,
		},
		"a view": {
			[]string{"alter table workspace_members rename to real_members", "create view workspace_members as select * from real_members", "create publication bridge for table messages, conversations"},
			false, false, "table.offer", provision.Warn,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.DB(t, append([]string{schemas.CRM}, tt.sql...)...))
			want := crm(t)
			without := inspect(t, conn, want)
			want.Tables = append(want.Tables, members)
			r := inspect(t, conn, want)
			if f, _ := r.Find(tt.finding, ""); f.Level != tt.level || f.Level > provision.OK && (f.Fix == "" || f.Meaning == "") {
				t.Errorf("%s: %+v", tt.finding, f)
			}
			if _, extra := r.Find("publication.extra", members.String()); extra {
				t.Error("it counts as not needed")
			}
			if got := r.Follows(members, columns...); got != tt.follows {
				t.Errorf("followed: %v", got)
			}
			if len(r.Failures()) != len(without.Failures()) || len(r.Narrowed()) != 0 {
				t.Errorf("failures %+v, narrowed %v", r.Failures(), r.Narrowed())
			}
			all := func(table provision.Table) []string { return r.ColumnsOf(table.Schema, table.Name) }
			if a, b := without.Shape(all), r.Shape(all); len(a) != len(b) {
				t.Errorf("it is a part of the shape: %v, %v", a, b)
			}
			plan := provision.Plan(r)
			i := slices.IndexFunc(plan, func(s provision.Statement) bool { return s.Offer })
			if (i >= 0) != tt.offered || i >= 0 && i != len(plan)-1 {
				t.Fatalf("plan: %+v", plan)
			}
			if !tt.offered {
				return
			}
			if err := provision.Apply(t.Context(), conn, plan); err != nil {
				t.Fatal(err)
			}
			r = inspect(t, conn, want)
			if left := provision.Plan(r); len(left) > 0 || !r.Follows(members, columns...) {
				t.Errorf("after the plan: %+v\n%s", left, r.String())
			}
		})
	}
}
