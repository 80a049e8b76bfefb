package dial_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/dial"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// What the address sets does not win over the session's settings, whatever the case of
// its name.
func TestSettingsWin(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	for range 20 { // parameters go out in any order
		conn, err := dial.Connect(t.Context(), url+separator+"DateStyle=German&TimeZone=America/Sao_Paulo&IntervalStyle=sql_standard", "test", 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := conn.QueryRow(t.Context(), "select '2026-02-05 18:58:02+00'::timestamptz::text || ' ' || '1 day'::interval::text").Scan(&got); err != nil || got != "2026-02-05 18:58:02+00 1 day" {
			t.Errorf("%q, %v", got, err)
		}
		dial.Close(t.Context(), conn)
	}
}
