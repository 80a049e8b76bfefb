package main

import (
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// Where clients are admitted by a membership, setup offers the table of members for
// the publication, and check says when it is not in it; neither fails without.
func TestSetupOffersTheMembers(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM, "create publication bridge for table messages, conversations")
	configure(t, url, "setup_members")
	const statement = `ALTER PUBLICATION "bridge" ADD TABLE "public"."workspace_members";`
	if _, out, _ := cli(t, "", "setup"); strings.Contains(out, statement) {
		t.Errorf("without session tokens: %s", out)
	}
	t.Setenv("SUPABASE_JWT_SECRET", "another secret of thirty-two bytes and more")
	code, out, errs := cli(t, "", "setup")
	if code != 0 || !strings.Contains(out, statement) {
		t.Errorf("setup: %d: %s%s", code, out, errs)
	}
	if _, out, _ := cli(t, "", "check"); !strings.Contains(out, "warn  publication.offer") || !strings.Contains(out, statement) {
		t.Errorf("check: %s", out)
	}
	if code, out, errs = cli(t, "", "setup", "--apply"); code != 0 || !strings.Contains(out, statement) {
		t.Errorf("setup --apply: %d: %s%s", code, out, errs)
	}
	if _, out, _ := cli(t, "", "check"); !strings.Contains(out, "ok    publication.offer") {
		t.Errorf("check afterwards: %s", out)
	}
}
