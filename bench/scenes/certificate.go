//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"chatbridge/bench/internal/control"
)

// certificate is a server's, ECDSA P-256, in files.
type certificate struct {
	dir string
	ca  *x509.CertPool
}

func newCertificate() (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	c := &certificate{ca: x509.NewCertPool()}
	if c.dir, err = os.MkdirTemp("", "bench-tls"); err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.ca.AppendCertsFromPEM(certPEM)
	for file, content := range map[string][]byte{
		c.certFile(): certPEM, c.keyFile(): pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
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
