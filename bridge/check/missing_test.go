package check_test

import (
	"strings"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
)

// TestAMissingTableIsToldOnce, and not as missing columns too.
func TestAMissingTableIsToldOnce(t *testing.T) {
	t.Parallel()
	dsn := ready(t)
	if err := pgtest.Exec(t.Context(), dsn, "alter table conversations rename to chats"); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, f := range findings(t, load(t, "DATABASE_URL="+dsn, "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t))) {
		if strings.Contains(f.What, "no table public.conversations") || strings.Contains(f.What, "table public.conversations does not exist") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
