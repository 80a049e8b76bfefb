package provision_test

import (
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/provision"
)

// TestForeignPublication: nothing is added to a publication that has none of the tables that the
// bridge has to follow.
func TestForeignPublication(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		tables  string
		foreign bool
		planned bool
	}{
		"only what is offered":            {"contacts", true, false},
		"others":                          {"workspace_members", true, false},
		"others, and one of ours":         {"workspace_members, messages", false, true},
		"others, and nothing lacks":       {"workspace_members, messages, conversations", false, false},
		"one of ours":                     {"messages", false, true},
		"one of ours and what is offered": {"messages, contacts", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.DB(t, schemas.CRM, "create publication bridge for table "+tt.tables))
			want := crm(t)
			want.Check, want.Creates = true, true
			want.Tables[2].Offer, want.Tables[2].ByOperator = "names are late", true
			r := inspect(t, conn, want)
			f, foreign := r.Find("publication.foreign", "bridge")
			if foreign != tt.foreign || foreign && (f.Level != provision.Fail || !strings.Contains(f.Fix, "source.postgres.publication")) {
				t.Errorf("%+v", f)
			}
			planned := false
			for _, s := range provision.Plan(r) {
				planned = planned || strings.Contains(s.SQL, "PUBLICATION")
			}
			if planned != tt.planned {
				t.Errorf("plan: %+v", provision.Plan(r))
			}
		})
	}
}

// TestOfferBeforeThePublication: what check warns of once the bridge has made its
// publication, it warns of before.
func TestOfferBeforeThePublication(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.DB(t, schemas.CRM))
	want := crm(t)
	want.Check, want.Creates = true, true
	want.Tables[2].Offer, want.Tables[2].ByOperator = "names are late", true
	before := inspect(t, conn, want)
	f, _ := before.Find("publication.offer", "public.contacts")
	if f.Level != provision.Warn || !strings.HasPrefix(f.Fix, `CREATE PUBLICATION "bridge" FOR TABLE`) || !strings.HasSuffix(f.Fix, `"public"."contacts";`) {
		t.Errorf("%+v", f)
	}
	if _, err := conn.Exec(t.Context(), f.Fix); err != nil {
		t.Fatal(err)
	}
	after := inspect(t, conn, want)
	if f, _ := after.Find("publication.offer", "public.contacts"); f.Level != provision.OK || f.ID == "" || len(after.Failures()) != 0 {
		t.Errorf("%+v\n%s", f, after.String())
	}
}
