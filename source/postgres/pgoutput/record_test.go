package pgoutput_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// recordEnv names the versions to record anew, such as "14,15,17,18".
const recordEnv = "PGOUTPUT_RECORD"

// script is what is recorded: each kind of message, and each kind of tuple.
var script = []string{
	`insert into d (id, s, n, j, tags, at, f, u) values (1, 'eins', 1.500, '{"k": [1, 2.50, "éA"], "a": null}', '{a,"b c",NULL}', '2026-02-05 18:58:02.123456+00', true, '00000000-0000-0000-0000-000000000001')`,
	`insert into d (id) values (2)`,
	`insert into d (id, s) values (3, ''), (4, E'tab\tnewline\nzero')`,
	`update d set s = 'zwei' where id = 2`,
	`update d set id = 20 where id = 2`,
	`delete from d where id = 20`,
	`insert into f (id, s, b) select 1, 'x', string_agg(md5(i::text), '') from generate_series(1, 100) i`,
	`update f set s = 'y'`,
	`update f set id = 2`,
	`delete from f`,
	`insert into b (id, b) select 1, string_agg(md5(i::text), '') from generate_series(1, 100) i`,
	`update b set s = 'unchanged b'`,
	`begin; insert into d (id) values (5); savepoint a; insert into d (id) values (6); rollback to a; insert into d (id) values (7); commit`,
	`alter table d add mood mood default 'glad', add w word`,
	`insert into d (id, mood, w) values (8, 'sad', 'wort')`,
	`alter table d drop column n`,
	`insert into d (id) values (9)`,
	`begin; select pg_logical_emit_message(true, 'prefix', 'transactional'); insert into d (id) values (10); commit`,
	`select pg_logical_emit_message(false, 'prefix', 'at once')`,
	`select pg_replication_origin_create('elsewhere')`,
	`begin; select pg_replication_origin_session_setup('elsewhere'); select pg_replication_origin_xact_setup('0/AFFE', '2026-01-01 00:00:00+00'); insert into d (id) values (11); commit`,
	`insert into "Odd Name"."T" values (1, 'x')`,
	`truncate f, b`,
	`truncate d restart identity cascade`,
	`insert into f (id) values (99)`,
}

const tables = `
create type mood as enum ('sad', 'glad'); create domain word as text;
create table d (id int primary key, s text, n numeric, j jsonb, tags text[], at timestamptz, f bool, u uuid);
create table f (id int primary key, s text, b text); alter table f replica identity full; alter table f alter b set storage external;
create table b (id int primary key, s text, b text); alter table b alter b set storage external;
create schema "Odd Name"; create table "Odd Name"."T" (id int, v varchar(10) not null unique); alter table "Odd Name"."T" replica identity using index "T_v_key";
create publication bridge for table d, f, b, "Odd Name"."T"`

// TestRecord records the streams in testdata. It does so only when asked,
// because the bytes are other ones each time; run TestRecordedStreams with
// -update after it.
func TestRecord(t *testing.T) {
	versions := os.Getenv(recordEnv)
	if versions == "" {
		t.Skip("set " + recordEnv + " to the versions to record")
	}
	for _, v := range strings.Split(versions, ",") {
		t.Run(v, func(t *testing.T) {
			c := pgtest.Cluster(t, throwaway.Options{Bin: pgtest.Version(t, v), Settings: map[string]string{"autovacuum": "off"}})
			url := pgtest.On(t, c, tables)
			var b strings.Builder
			for _, f := range record(t, url) {
				fmt.Fprintln(&b, hex.EncodeToString(f))
			}
			if err := os.WriteFile(filepath.Join("testdata", "pg"+v+".hex"), []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// record runs the script and returns all frames up to its last row.
func record(t *testing.T, url string) [][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE_REPLICATION_SLOT "rec" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(ctx, url, script...); err != nil {
		t.Fatal(err)
	}
	conn.Frontend().SendQuery(&pgproto3.Query{String: `START_REPLICATION SLOT "rec" LOGICAL 0/0 (proto_version '1', publication_names '"bridge"', messages 'true')`})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for last := false; ; {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		switch m := msg.(type) {
		case *pgproto3.ErrorResponse:
			t.Fatal(errors.New(m.Message))
		case *pgproto3.CopyData:
			f := append([]byte(nil), m.Data...)
			frames = append(frames, f)
			if strings.Contains(string(f), "t\x00\x00\x00\x0299") {
				last = true
			}
			if last && f[0] == 'w' && f[25] == 'C' {
				return frames
			}
		}
	}
}
