package configs_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatbridge/configs"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	ok := []string{"DATABASE_URL=postgres://u:p@h/db", "CHATENGINE_JWT_SECRET=x"}
	project := []string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=https://x.supabase.co"}
	function := slices.Clip(append(slices.Clone(ok), "SUPABASE_URL=https://x.supabase.co", "BRIDGE_SEND_MODE=function", "STATE_DIRECTORY=/s"))
	for name, tt := range map[string]struct {
		env  []string
		want map[string]string // key: piece
	}{
		"nothing":          {nil, map[string]string{"source.postgres.url": "DATABASE_URL", "auth.chatengine_secret": "every client would be refused"}},
		"enough":           {ok, nil},
		"realtime":         {[]string{"BRIDGE_SOURCE_KIND=realtime"}, map[string]string{"source.realtime.url": "SUPABASE_URL", "source.realtime.key": "SUPABASE_SERVICE_ROLE_KEY", "auth.chatengine_secret": "refused"}},
		"realtime enough":  {[]string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=https://x.supabase.co", "SUPABASE_SERVICE_ROLE_KEY=k"}, nil},
		"publishable key":  {append(project, "SUPABASE_SERVICE_ROLE_KEY=sb_publishable_x"), map[string]string{"source.realtime.key": "is a publishable key"}},
		"anon key":         {append(project, "SUPABASE_SERVICE_ROLE_KEY="+token(`{"role":"anon"}`)), map[string]string{"source.realtime.key": "sb_secret_"}},
		"session token":    {append(project, "SUPABASE_SERVICE_ROLE_KEY="+token(`{"sub":"u","role":"authenticated"}`)), map[string]string{"source.realtime.key": `role "authenticated"`}},
		"service key":      {append(project, "SUPABASE_SERVICE_ROLE_KEY="+token(`{"role":"service_role"}`)), nil},
		"secret key":       {append(project, "SUPABASE_SERVICE_ROLE_KEY=sb_secret_x"), nil},
		"own role":         {append(project, "SUPABASE_SERVICE_ROLE_KEY="+token(`{"role":"reader"}`)), nil},
		"unused key":       {append(ok, "SUPABASE_SERVICE_ROLE_KEY=sb_publishable_x"), nil},
		"no members":       {[]string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=https://x.supabase.co", "CHATENGINE_JWT_SECRET=x"}, map[string]string{"source.realtime.key": "", "auth.members.table": "cannot be asked"}},
		"half of tls":      {append(ok, "BRIDGE_TLS_CERT_FILE=/c"), map[string]string{"tls.key_file": ""}},
		"other half":       {append(ok, "BRIDGE_TLS_KEY_FILE=/c"), map[string]string{"tls.cert_file": ""}},
		"one port":         {append(ok, "BRIDGE_ADMIN_LISTEN=:8080"), map[string]string{"admin.listen": "same as listen"}},
		"one file":         {append(ok, "BRIDGE_REPLAY_STATE_FILE=/s/state", "BRIDGE_LEDGER_FILE=/s//state"), map[string]string{"ledger.file": "same as replay.state_file"}},
		"sends' file":      {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_REPLAY_STATE_FILE=/s/sends"), map[string]string{"send.state_file": "same as replay.state_file"}},
		"sends and ledger": {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_LEDGER_FILE=/s/./sends"), map[string]string{"send.state_file": "same as ledger.file"}},
		"sends in spool":   {append(function, "SUPABASE_ANON_KEY=x", "CHATENGINE_URL=http://h:1", "BRIDGE_SPOOL_DIR=/s", "BRIDGE_REPLAY_STATE_FILE=/t/x", "BRIDGE_LEDGER_FILE=/t/y", "BRIDGE_SEND_STATE_FILE=/s/webhooks.db"), map[string]string{"send.state_file": "a file of spool.dir"}},
		"mode":             {append(ok, "BRIDGE_SEND_MODE=functions", "BRIDGE_SEND_FUNCTION_READ=mark-read"), map[string]string{"send.mode": "function"}},
		"body's text":      {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_SEND_FUNCTION_BODY=conversationId=conversation"), map[string]string{"send.function.body": "content"}},
		"body twice":       {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_SEND_FUNCTION_BODY=a=conversation,a=content"), map[string]string{"send.function.body": "a twice"}},
		"body's id":        {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_SEND_FUNCTION_BODY=a=id,b=content"), map[string]string{"send.function.body": "one of client_id, workspace"}},
		"function's path":  {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_SEND_FUNCTION_URL=https://x.supabase.co/functions/v1/"), map[string]string{"send.function.url": "without /functions/v1"}},
		"column twice":     {append(ok, "BRIDGE_SEND_OUTBOX_COLUMNS=a=client_id,b=workspace,b=content"), map[string]string{"send.outbox.columns": "b twice"}},
		"message's text":   {append(ok, "BRIDGE_SEND_OUTBOX_MESSAGE=id=id"), map[string]string{"send.outbox.message": "content"}},
		"two statements":   {append(ok, "BRIDGE_SEND_OUTBOX_URL=postgres://u:p@h/db", "BRIDGE_SEND_OUTBOX_READ=delete from c where id = $1 and w = $2; select 1"), map[string]string{"send.outbox.read": "more than one statement"}},
		"one statement":    {append(ok, "BRIDGE_SEND_OUTBOX_URL=postgres://u:p@h/db", "BRIDGE_SEND_OUTBOX_READ=update c set a = ';' /* ; */ where \"b;\" = $1 and w = $2 and x <> $y$;$y$; -- ;"), nil},
		"spool's place":    {append(ok, "BRIDGE_SPOOL_DIR=rel/sp", "CHATENGINE_URL=http://h:1"), map[string]string{"spool.dir": "does not begin"}},
		"hold":             {append(ok, "BRIDGE_GATEWAY_HOLD=local"), map[string]string{"gateway.hold": "gateway.upstream"}},
		"health path":      {append(ok, "BRIDGE_GATEWAY_HEALTH_PATH=/h"), map[string]string{"gateway.health_path": "gateway.upstream"}},
		"spool":            {append(ok, "BRIDGE_SPOOL_DIR=/s"), map[string]string{"spool.dir": "gateway.upstream"}},
		"spool's bodies":   {append(ok, "BRIDGE_SPOOL_MAX_BODY=32MiB", "BRIDGE_SPOOL_MAX_BYTES=16MiB"), map[string]string{"spool.max_body": "more than spool.max_bytes"}},
		"spool's paths":    {append(ok, "BRIDGE_SPOOL_PATHS=/hook,/api/ws/x"), map[string]string{"spool.paths": "Socket.IO"}},
		"spool's query":    {append(ok, "BRIDGE_SPOOL_PATHS=/hook?a"), map[string]string{"spool.paths": ""}},
		"spool enough":     {append(ok, "BRIDGE_SPOOL_DIR=/s", "CHATENGINE_URL=http://h:1", "BRIDGE_SPOOL_PATHS=/hook,/api/webhooks/whatsapp"), nil},
		"ping":             {append(ok, "BRIDGE_PING_TIMEOUT=5000500us"), map[string]string{"ping.timeout": "fraction"}},
		"packets":          {append(ok, "BRIDGE_LIMITS_PACKETS_PER_SECOND=500"), map[string]string{"limits.packets_per_second": "cut off"}},
		"queue":            {append(ok, "BRIDGE_LIMITS_QUEUE_BYTES=100KiB"), map[string]string{"limits.queue_bytes": "one packet"}},
		"bad not missing":  {[]string{"DATABASE_URL=x", "CHATENGINE_JWT_SECRET=x"}, map[string]string{"source.postgres.url": "not a connection string"}},
		"bad jwks address": {[]string{ok[0], "BRIDGE_AUTH_JWKS_URL=ftp://x"}, map[string]string{"auth.jwks_url": "http"}},
		"function":         {append(function, "SUPABASE_ANON_KEY=sb_publishable_x"), nil},
		"function lacks":   {append(ok, "BRIDGE_SEND_MODE=function"), map[string]string{"send.function.url": "SUPABASE_URL", "send.anon_key": "SUPABASE_ANON_KEY", "send.state_file": "STATE_DIRECTORY=/var/lib/chatbridge bridge check", "auth.supabase_secret": "sessions"}},
		"function's key":   {append(function, "SUPABASE_ANON_KEY="+token(`{"role":"service_role"}`)), map[string]string{"send.anon_key": "is a service key"}},
		"function's body":  {append(function, "SUPABASE_ANON_KEY=x", "BRIDGE_SEND_FUNCTION_BODY=message=contents"), map[string]string{"send.function.body": "message=content?"}},
		"outbox":           {append(ok, "BRIDGE_SEND_MODE=outbox", "STATE_DIRECTORY=/s", "BRIDGE_SEND_OUTBOX_URL=postgres://u:p@h/db"), nil},
		"outbox lacks":     {append(ok, "BRIDGE_SEND_MODE=outbox"), map[string]string{"send.outbox.url": "role", "send.state_file": "sent twice"}},
		"read statement":   {append(ok, "BRIDGE_SEND_OUTBOX_URL=postgres://u:p@h/db", "BRIDGE_SEND_OUTBOX_READ=update c set n = 0 where id = $1"), map[string]string{"send.outbox.read": "$2"}},
		"read alone":       {append(ok, "BRIDGE_SEND_FUNCTION_READ=mark-read", "BRIDGE_SEND_OUTBOX_READ=select $1, $2"), map[string]string{"send.function.read": "send.mode", "send.outbox.read": "send.outbox.url"}},
		"anon key alone":   {append(ok, "SUPABASE_ANON_KEY=x"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.want == nil {
				c := load(t, configs.Sources{Env: tt.env, Complete: true})
				if err := c.Validate(); err != nil {
					t.Error(err)
				}
				return
			}
			got := problems(t, configs.Sources{Env: tt.env, Complete: true})
			for key, piece := range tt.want {
				if p, has := got[key]; !has || !strings.Contains(p.String(), piece) {
					t.Errorf("want %q of %s in %v", piece, key, got)
				}
				delete(got, key)
			}
			if len(got) > 0 {
				t.Errorf("unexpected: %v", got)
			}
		})
	}
}

// An empty list of paths would keep nothing.
func TestASpoolWithoutPaths(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(file, []byte("spool:\n  dir: /s\n  paths: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := problems(t, configs.Sources{File: file, Env: []string{"DATABASE_URL=postgres://u:p@h/db", "CHATENGINE_JWT_SECRET=x", "CHATENGINE_URL=http://h:1"}, Complete: true})
	if p, has := got["spool.paths"]; !has || !strings.Contains(p.String(), "no webhook") {
		t.Errorf("%v", got)
	}
}

// token is a JWT with these claims. Its signature is nobody's.
func token(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"HS256"}`)) + "." + part([]byte(claims)) + "." + part([]byte("signature"))
}

// A key of a role that may see everything, or not: only the database knows.
func TestRoleWarning(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]bool{"reader": true, "service_role": false} {
		c := load(t, configs.Sources{Env: []string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_SERVICE_ROLE_KEY=" + token(`{"role":"`+role+`"}`)}})
		if got := strings.Join(c.Warnings(), "\n"); strings.Contains(got, "BYPASSRLS") != want {
			t.Errorf("%s: warned %q", role, got)
		}
	}
}

// Without Complete the same things are no error of Load but of Validate.
func TestValidateAlone(t *testing.T) {
	t.Parallel()
	err := load(t, configs.Sources{}).Validate()
	var e *configs.Error
	if !errors.As(err, &e) || len(e.Problems) != 2 {
		t.Fatalf("got %v", err)
	}
}

func TestAdminWarnings(t *testing.T) {
	t.Parallel()
	gateway := []string{"CHATENGINE_URL=http://127.0.0.1:3000", "CHATENGINE_JWT_SECRET=" + strings.Repeat("x", 32)}
	for name, tt := range map[string]struct {
		env  []string
		want string // a part of the warning, "" for none
	}{
		"default":           {gateway, ""},
		"all addresses":     {append(gateway, "BRIDGE_ADMIN_LISTEN=:9090"), "cannot change the mode"},
		"an address":        {append(gateway, "BRIDGE_ADMIN_LISTEN=10.0.0.1:9090"), "cannot change the mode"},
		"IPv6 loopback":     {append(gateway, "BRIDGE_ADMIN_LISTEN=[::1]:9090"), ""},
		"localhost":         {append(gateway, "BRIDGE_ADMIN_LISTEN=localhost:9090"), ""},
		"off":               {append(gateway, "BRIDGE_ADMIN_LISTEN="), ""},
		"with a token":      {append(gateway, "BRIDGE_ADMIN_LISTEN=:9090", "BRIDGE_ADMIN_TOKEN="+strings.Repeat("x", 16)), ""},
		"with a short one":  {append(gateway, "BRIDGE_ADMIN_TOKEN=secret-x"), "admin.token (environment BRIDGE_ADMIN_TOKEN) has 8 bytes"},
		"without a gateway": {append(gateway[1:], "BRIDGE_ADMIN_LISTEN=:9090"), "the operator's page"},
	} {
		warnings := strings.Join(load(t, configs.Sources{Env: tt.env}).Warnings(), "\n")
		if tt.want == "" && strings.Contains(warnings, "admin.") || !strings.Contains(warnings, tt.want) || strings.Contains(warnings, "secret-x") {
			t.Errorf("%s: %q", name, warnings)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	good := map[string][]string{
		"BRIDGE_LISTEN":                 {":0", "127.0.0.1:80", "[::1]:80", "localhost:8080"},
		"BRIDGE_PATH":                   {"/ws", "/api/v2/ws"},
		"BRIDGE_CORS_ORIGINS":           {"*", "https://a.example", "http://localhost:5173", "https://*.a.example, https://b.example", "https://*.a.example:8443", "http://[::1]:80", "capacitor://localhost"},
		"BRIDGE_ALLOW_ADDRESSES":        {"10.0.0.0/8", "192.0.2.7", "2001:db8::/32,::1"},
		"BRIDGE_REPLAY_WINDOW":          {"0", "0s", "1h", "1m30s"},
		"BRIDGE_REPLAY_MAX_BYTES":       {"1048576", "1.5GiB", "1 GB", "2mib"},
		"BRIDGE_GATEWAY_HEALTH_PATH":    {"/health", "/api/ws/?EIO=4&transport=polling"},
		"BRIDGE_AUTH_MEMBERS_TABLE":     {"members", "app.members"},
		"DATABASE_URL":                  {"postgres://h/db", "postgresql://u:p%2Fq@[::1]:5432/db?sslmode=require", "host=/tmp user=x dbname=y"},
		"BRIDGE_LOG_LEVEL":              {"debug", "WARN", "warning"},
		"BRIDGE_ADMIN_TOKEN":            {"two words: !\"#$%&'()*+,-./<=>?@[]^_`{|}~"},
		"BRIDGE_AUTH_ALLOW_QUERY_TOKEN": {"true", "false", "yes", "off", "1"},
	}
	bad := map[string][]string{
		"BRIDGE_LISTEN":                 {"8080", "localhost", ":99999", ":http x", "::1:80"},
		"BRIDGE_PATH":                   {"api", "/", "/api/ws/", "/a?b", "/a b"},
		"BRIDGE_CORS_ORIGINS":           {"a.example", "https://a.example/", "https://a.example/x", "https://*.example/x", "https://a.*.example", "https://*.com", "https://A.example", "https://u@a.example", "https://**.a.example"},
		"BRIDGE_ALLOW_ADDRESSES":        {"10.0.0.1/8", "10.0.0", "fe80::1%eth0", "x"},
		"BRIDGE_REPLAY_WINDOW":          {"60", "1d", "-1s", "2h", "soon"},
		"BRIDGE_REPLAY_MAX_BYTES":       {"1", "-1MB", "1.5", "lots", "1PB", "99999999999GiB", "1e3GiB", ".GiB"},
		"BRIDGE_REPLAY_MAX_EVENTS":      {"0", "1.5", "1k", "-1"},
		"BRIDGE_GATEWAY_UPSTREAM":       {"chat:3000", "http://", "ws://chat", "http://chat?x=1", "http://chat#x"},
		"BRIDGE_GATEWAY_HEALTH_PATH":    {"health", "http://x/health", "//x/health"},
		"BRIDGE_AUTH_MEMBERS_TABLE":     {"a.b.c", "a;drop", "1a", "a b"},
		"BRIDGE_AUTH_ALLOW_QUERY_TOKEN": {"maybe", "2"},
		"BRIDGE_LOG_LEVEL":              {"loud"},
		"BRIDGE_SOURCE_REALTIME_KEY":    {"a\nb"},
		"BRIDGE_ADMIN_TOKEN":            {"a-token-with-\x01-in-it", "a-token-with\ttab", "“a-token-in-quotes”", "a-token-with-ä-in-it", "a-token-with-\xff-in-it", "a\nb", "a-token-with-\x7f"},
		"DATABASE_URL":                  {"h", "https://h/db", "postgres://u:p#q@h/db", "postgres://u:1/q@h/db"},
	}
	for name, values := range good {
		for _, v := range values {
			if _, err := configs.Load(configs.Sources{Env: []string{name + "=" + v}}); err != nil {
				t.Errorf("%s=%s: %v", name, v, err)
			}
		}
	}
	for name, values := range bad {
		for _, v := range values {
			_, err := configs.Load(configs.Sources{Env: []string{name + "=" + v}})
			if err == nil || !strings.Contains(err.Error(), "accepted: ") || !strings.Contains(err.Error(), "environment "+name) {
				t.Errorf("%s=%s: got %v", name, v, err)
			}
		}
	}
}

// TestMisplacedAddresses: values that cannot be meant are refused, and what only looks
// odd is warned of.
func TestMisplacedAddresses(t *testing.T) {
	t.Parallel()
	for value, accepted := range map[string]bool{
		"https://crm.example": true, "capacitor://localhost": true, "tauri://localhost": true,
		"javascript://host": false, "wss://crm.example": false, "file://host": false, "JavaScript://host": false,
	} {
		_, err := configs.Load(configs.Sources{Env: []string{"BRIDGE_CORS_ORIGINS=" + value}})
		if (err == nil) != accepted {
			t.Errorf("%s: %v", value, err)
		}
	}
	for value, accepted := range map[string]bool{
		"https://abc.supabase.co": true, "https://abc.supabase.co/": true, "http://gateway.example/project": true,
		"https://abc.supabase.co/rest/v1": false, "https://abc.supabase.co/realtime/v1/websocket": false,
		"https://supabase.com/dashboard/project/abc": false, "https://db.abc.supabase.co": false,
	} {
		_, err := configs.Load(configs.Sources{Env: []string{"SUPABASE_URL=" + value}})
		if (err == nil) != accepted {
			t.Errorf("%s: %v", value, err)
		}
	}
	for key, odd := range map[string]bool{
		"sb_secret_x": false, "a.b.c": false, "hello": true,
		token(`{"role":"service_role","ref":"abc"}`): false, token(`{"role":"service_role","ref":"xyz"}`): true,
	} {
		c := load(t, configs.Sources{Env: []string{"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=https://abc.supabase.co", "SUPABASE_SERVICE_ROLE_KEY=" + key}})
		if warned := strings.Contains(strings.Join(c.Warnings(), "\n"), "source.realtime.key"); warned != odd {
			t.Errorf("%s: %v", key, c.Warnings())
		}
	}
}

// TestOtherThanDefault: a copy of the example file sets nothing.
func TestOtherThanDefault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(file, []byte(configs.Default), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys := load(t, configs.Sources{File: file}).OtherThanDefault(); len(keys) != 0 {
		t.Errorf("the example differs from the defaults in %v", keys)
	}
	keys := load(t, configs.Sources{File: file, Env: []string{"PORT=1"}}).OtherThanDefault()
	if len(keys) != 1 || keys[0] != "listen" {
		t.Errorf("%v", keys)
	}
}
