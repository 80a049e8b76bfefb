package bridge

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"chatbridge/configs"
)

// certificateCheck is how often, at most, the files are checked for a change.
const certificateCheck = 5 * time.Second

// certificate serves a certificate from two files and reads them again when
// they have changed. While the new files do not fit (they are replaced one
// after the other) it goes on with the old ones.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]time.Time
	checked time.Time
	failed  bool
}

// newCertificate loads the configured files; it returns nil where there are none.
func newCertificate(files configs.TLS, log *slog.Logger) (*certificate, error) {
	if files.CertFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: files.CertFile, keyFile: files.KeyFile, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Websockets are HTTP/1.1.
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.get(time.Now()), nil
		},
	}
}

func (c *certificate) get(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.checked) < certificateCheck {
		return c.current
	}
	c.checked = now
	if c.stamps() == c.stamp {
		return c.current
	}
	switch err := c.load(); {
	case err != nil && !c.failed:
		c.failed = true
		c.log.Error("the TLS files have changed and do not load; the old ones stay in use", "error", err)
	case err == nil:
		c.failed = false
		c.log.Info("reloaded the TLS files", "cert_file", c.certFile)
	}
	return c.current
}

func (c *certificate) stamps() (s [2]time.Time) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i] = info.ModTime()
		}
	}
	return s
}

func (c *certificate) load() error {
	stamp := c.stamps()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load tls.cert_file %s and tls.key_file %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.stamp = &pair, stamp
	c.noteExpiry(time.Now())
	return nil
}

// expiresSoon is how long before its end a certificate is warned of.
const expiresSoon = 14 * 24 * time.Hour

// noteExpiry logs that the loaded certificate has expired or expires soon.
func (c *certificate) noteExpiry(now time.Time) {
	const remedy = "renew it: the bridge reads changed files by itself"
	switch until := leafExpiry(c.current); {
	case until.IsZero():
	case !now.Before(until):
		c.log.Error("the TLS certificate has expired, and no client connects", "cert_file", c.certFile, "expired", until.UTC(), "remedy", remedy)
	case until.Sub(now) < expiresSoon:
		c.log.Warn("the TLS certificate expires soon", "cert_file", c.certFile, "expires", until.UTC(), "remedy", remedy)
	}
}

// adopt replaces the files and the certificate of c with those of other.
func (c *certificate) adopt(other *certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile = other.certFile, other.keyFile
	c.current, c.stamp, c.failed = other.current, other.stamp, false
}

// expires returns when the certificate in use expires.
func (c *certificate) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return leafExpiry(c.current)
}

func leafExpiry(c *tls.Certificate) time.Time {
	if c == nil || c.Leaf == nil {
		return time.Time{}
	}
	return c.Leaf.NotAfter
}
