package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// serves runs the daemon until it ends by itself or has written want, and returns the
// exit code and what it wrote.
func serves(t *testing.T, want string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	errs := &watched{want: want, seen: cancel}
	code := run(ctx, []string{"serve"}, streams{strings.NewReader(""), &buffer{}, errs})
	return code, errs.String()
}

// TestWhatStaysWrongEndsWith2: what another start does not mend ends with the code at
// which systemd does not try again.
func TestWhatStaysWrongEndsWith2(t *testing.T) {
	cert, _ := serverFiles(t, time.Now().Add(time.Hour))
	_, key := serverFiles(t, time.Now().Add(time.Hour))
	cluster := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, cluster, schemas.CRM, "select pg_create_logical_replication_slot('exit_codes', 'test_decoding')")
	for name, tt := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a slot of another plugin":       {map[string]string{"DATABASE_URL": url}, "choose another source.postgres.slot"},
		"a certificate of another's key": {map[string]string{"BRIDGE_TLS_CERT_FILE": cert, "BRIDGE_TLS_KEY_FILE": key}, "does not match"},
		"no such mapping":                {map[string]string{"BRIDGE_MAPPING_FILE": "/does/not/exist"}, "no such file"},
		"not an address of this machine": {map[string]string{"BRIDGE_LISTEN": "192.0.2.1:80"}, "an address of this machine"},
		"a preset that does not fit":     {map[string]string{"DATABASE_URL": pgtest.On(t, cluster, schemas.Chatwoot)}, "mapping.preset: chatwoot"},
		"a preset of other columns":      {map[string]string{"DATABASE_URL": pgtest.On(t, cluster, schemas.CRM), "BRIDGE_MAPPING_PRESET": "chatengine"}, "mapping.preset: crm"},
		"a text without a column":        {map[string]string{"DATABASE_URL": pgtest.On(t, cluster, schemas.CRM, "alter table messages rename column body to words")}, "without its content"},
		"a pooler's address":             {map[string]string{"DATABASE_URL": ""}, "direct address"},
	} {
		t.Run(name, func(t *testing.T) {
			configure(t, url, "exit_codes")
			if address, given := tt.env["DATABASE_URL"]; given && address == "" {
				tt.env["DATABASE_URL"] = pgtest.Pooler(t, url)
			}
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			code, errs := serves(t, "never written")
			if code != exitUsage || strings.Count(errs, tt.want) != 1 {
				t.Errorf("exit code %d: %s", code, errs)
			}
			for line := range strings.Lines(errs) {
				if !json.Valid([]byte(line)) {
					t.Errorf("a line is not in the log's format: %s", line)
				}
			}
		})
	}
}

// TestServeTellsOfItsCertificate: one that clients refuse, or soon will, is not served in
// silence.
func TestServeTellsOfItsCertificate(t *testing.T) {
	for want, until := range map[string]time.Duration{
		"the_tls_certificate_has_expired_and_no_client_connects": -time.Minute,
		"the_tls_certificate_expires_soon":                       24 * time.Hour,
	} {
		configure(t, "postgres://u:p@127.0.0.1:1/db", "certificate")
		cert, key := serverFiles(t, time.Now().Add(until))
		t.Setenv("BRIDGE_TLS_CERT_FILE", cert)
		t.Setenv("BRIDGE_TLS_KEY_FILE", key)
		if _, errs := serves(t, `"serving"`); !strings.Contains(errs, want) {
			t.Errorf("no %s in %s", want, errs)
		}
	}
}

// serverFiles makes a self-signed certificate.
func serverFiles(t *testing.T, until time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-2 * time.Hour), NotAfter: until, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
