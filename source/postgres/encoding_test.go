package postgres_test

import (
	"strings"
	"testing"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5/pgconn"
)

// bytesAs runs SQL in a session of the client encoding given, so that bytes
// that are no characters come in.
func bytesAs(t *testing.T, url, encoding, sql string) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["client_encoding"] = encoding
	conn, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// TestEncodings: whatever the database's encoding and its settings, text comes
// as UTF-8, and a byte that is no character holds nothing up.
func TestEncodings(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	for name, k := range map[string]struct {
		encoding, set string
		bytes         string // as the client sends it in the database's encoding
		want          string
		replaced      uint64
	}{
		"latin1":     {encoding: "LATIN1", bytes: "caf\xe9", want: "café"},
		"win1252":    {encoding: "WIN1252", bytes: "\x80 5", want: "€ 5"},
		"undefined":  {encoding: "WIN1252", bytes: "caf\xe9 \x81", want: "café \uFFFD", replaced: 1},
		"sql_ascii":  {encoding: "SQL_ASCII", bytes: "café \xff!", want: "café \uFFFD!", replaced: 1},
		"utf8 ascii": {encoding: "SQL_ASCII", bytes: "café", want: "café"},
		"client":     {encoding: "UTF8", set: "client_encoding = 'LATIN1'", bytes: "café", want: "café"},
		"strings":    {encoding: "UTF8", set: "standard_conforming_strings = off", bytes: "café", want: "café"},
		"dates":      {encoding: "UTF8", set: "datestyle = 'German'", bytes: "café", want: "café"},
		"read only":  {encoding: "UTF8", set: "default_transaction_read_only = on", bytes: "café", want: "café"},
	} {
		t.Run(name, func(t *testing.T) {
			db := "e_" + strings.ReplaceAll(name, " ", "_")
			exec(t, c.URL("postgres"), `create database `+db+` encoding '`+k.encoding+`' template template0 lc_collate 'C' lc_ctype 'C'`)
			url := c.URL(db)
			bytesAs(t, url, k.encoding, simple)
			if k.set != "" {
				exec(t, url, `alter database `+db+` set `+k.set)
			}
			src, rec := start(t, postgres.Options{URL: url})
			bytesAs(t, url, k.encoding, `begin read write; insert into t values (1, '`+k.bytes+`'); commit`)
			bytesAs(t, url, k.encoding, `begin read write; insert into t values (2, '`+k.bytes+`'); commit`)
			rec.awaitRows(t, 2)
			if got := rec.rows(); got[0] != "insert 1|"+k.want || got[1] != "insert 2|"+k.want || len(rec.gaps) > 0 {
				t.Errorf("got %q, want %q; gaps %v", got, k.want, rec.gaps)
			}
			if n := src.Stats().Replaced; n != 2*k.replaced {
				t.Errorf("%d values counted as replaced, want %d", n, 2*k.replaced)
			}
			if n := strings.Count(src.log.String(), "no characters were replaced"); n != int(k.replaced) {
				t.Errorf("said %d times", n)
			}
			// The slot moves on, and what was confirmed is kept.
			awaitSlot(t, url, unconfirmed+` < 100000`)
			if err := src.stop(); err != nil {
				t.Error(err)
			}
			exec(t, url, `begin read write; select pg_drop_replication_slot('`+uniqueSlot(t)+`')`)
			_, rec = start(t, postgres.Options{URL: url})
			awaitGap(t, rec, "missing")
		})
	}
}
