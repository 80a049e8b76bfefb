//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"time"

	"chatbridge/bench/internal/control"
	"chatbridge/internal/selfsigned"
)

// certificate is a server's, in files.
type certificate struct {
	dir string
	ca  *x509.CertPool
}

func newCertificate() (*certificate, error) {
	certPEM, keyPEM, err := selfsigned.New(time.Now().Add(48*time.Hour), "127.0.0.1")
	if err != nil {
		return nil, err
	}
	c := &certificate{ca: x509.NewCertPool()}
	if c.dir, err = os.MkdirTemp("", "bench-tls"); err != nil {
		return nil, err
	}
	c.ca.AppendCertsFromPEM(certPEM)
	for file, content := range map[string][]byte{c.certFile(): certPEM, c.keyFile(): keyPEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			c.remove()
			return nil, err
		}
	}
	return c, nil
}

func (c *certificate) certFile() string { return filepath.Join(c.dir, "cert.pem") }
func (c *certificate) keyFile() string  { return filepath.Join(c.dir, "key.pem") }
func (c *certificate) remove()          { _ = os.RemoveAll(c.dir) }

// env has a server serve with it.
func (c *certificate) env() []string {
	return []string{control.CertFile + "=" + c.certFile(), control.KeyFile + "=" + c.keyFile()}
}

// client is the configuration of clients that trust it, and resume their sessions.
func (c *certificate) client() *tls.Config {
	return &tls.Config{RootCAs: c.ca, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(0), MinVersion: tls.VersionTLS13}
}
