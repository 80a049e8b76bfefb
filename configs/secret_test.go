package configs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"chatbridge/configs"
)

// No way of printing a Config shows a secret.
func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	const hidden = "hunter2"
	c := load(t, configs.Sources{Env: []string{
		"DATABASE_URL=postgres://u:" + hidden + "@h/db?sslpassword=" + hidden, "BRIDGE_LOOKUP_URL=host=h user=u password='" + hidden + " x' dbname=d",
		"SUPABASE_SERVICE_ROLE_KEY=" + hidden, "CHATENGINE_JWT_SECRET=" + hidden + "," + hidden, "SUPABASE_JWT_SECRET=" + hidden, "REDIS_URL=" + hidden,
	}})
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("configuration", "config", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("configuration", "source", c.Source, "auth", c.Auth, "lookup", c.Lookup)
	asJSON, err := json.Marshal(struct {
		S []configs.Setting
		C *configs.Config
	}{c.Redacted(), c})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(asJSON) + strings.Join(c.Warnings(), "\n")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		all += fmt.Sprintf(format, []any{c.Source, c.Auth, c.Lookup, c.Redacted(), c.Source.Postgres.URL, c.Source.Realtime.Key})
	}
	if i := strings.Index(all, hidden); i >= 0 {
		t.Errorf("shown: …%s…", all[max(0, i-80):i+len(hidden)])
	}
	for _, want := range []string{"postgres://u:" + configs.Mask + "@h/db", "user=u password=" + configs.Mask + " dbname=d", "source.realtime.key"} {
		if !strings.Contains(all, want) {
			t.Errorf("not shown: %s", want)
		}
	}
}

func TestDSN(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[configs.DSN]string{
		"":                         "",
		"postgres://h/db":          "postgres://h/db",
		"postgres://u@h/db":        "postgres://u@h/db",
		"postgres://u:p@h/db":      "postgres://u:********@h/db",
		"postgresql://u:p%2F@h/db": "postgresql://u:********@h/db",
		"postgres://h/db?password=p&sslmode=require": "postgres://h/db?password=********&sslmode=require",
		"postgres://u:1/secret@h/db":                 "********",
		"postgres://u:a?secret@h/db":                 "********",
		"postgres://u:%zz@h/db":                      "********",
		"host=h PASSWORD = p user=u":                 "host=h PASSWORD=******** user=u",
		`password='it\'s secret' host=h`:             "password=******** host=h",
		`host=h password='unfinished secret`:         "host=h password=********",
	} {
		if got := dsn.String(); got != want {
			t.Errorf("%s prints as %s, want %s", dsn.Reveal(), got, want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"0": "0B", "1": "1B", "1000": "1kB", "1024": "1KiB", "1073741824": "1GiB", "1MB": "1MB", "1.5GiB": "1536MiB", "1000000000": "1GB", "1048577B": "1048577B"} {
		s, err := configs.ParseSize(in)
		if err != nil || s.String() != want {
			t.Errorf("%s: %s, %v, want %s", in, s, err, want)
			continue
		}
		if back, err := configs.ParseSize(s.String()); err != nil || back != s {
			t.Errorf("%s does not come back: %s, %v", s, back, err)
		}
	}
}
