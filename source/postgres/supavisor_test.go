package postgres_test

import (
	"errors"
	"net"
	"sync"
	"testing"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAPoolerBehindTheAddress: where the address of a running stream leads to Supavisor
// from now on, which refuses with a general code, that is as fatal as at the start, and
// the remedy the same. Another error of that code is tried again.
func TestAPoolerBehindTheAddress(t *testing.T) {
	t.Parallel()
	url := pgtest.On(t, pgtest.Cluster(t, throwaway.Options{TCP: true}), simple)
	for said, fatal := range map[string]bool{"Tenant or user not found": true, "cache lookup failed for type 0": false} {
		line, through := newProxy(t, url)
		src, _ := start(t, postgres.Options{URL: through, Slot: uniqueSlot(t)})
		line.leadTo(t, refusing(t, &pgproto3.ErrorResponse{Severity: "FATAL", Code: "XX000", Message: said}))
		line.cut()
		if !fatal {
			src.awaitStats(t, "the refusal", func(s postgres.Stats) bool { return s.State == postgres.Retrying && s.LastError.Code == "XX000" })
			_ = src.stop()
			continue
		}
		<-src.done
		err := src.stop()
		var ended *postgres.FatalError
		if !errors.As(err, &ended) || ended.ExitCode() != 2 || ended.Code != "XX000" || ended.Hint != "the URL is a connection pooler's, which cannot replicate: use the direct address (Supabase: db.<project>.supabase.co, port 5432)" {
			t.Errorf("it ended with %v", err)
		}
	}
}

// refusing is the address of a server that refuses every session.
func refusing(t *testing.T, refusal *pgproto3.ErrorResponse) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				server := pgproto3.NewBackend(c, c)
				if _, err := server.ReceiveStartupMessage(); err == nil {
					server.Send(refusal)
					_ = server.Flush()
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return "postgres://" + ln.Addr().String()
}
