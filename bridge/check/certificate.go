package check

import (
	"context"
	"crypto/tls"
	"time"
)

// expiresSoon is the remaining time below which an expiry is a warning.
const expiresSoon = 14 * 24 * time.Hour

// certificate reads the TLS files.
func (r *run) certificate(context.Context) {
	f := r.cfg.TLS
	if f.CertFile == "" {
		return
	}
	const fix = "tls.cert_file and tls.key_file: PEM files of one certificate that the bridge may read"
	cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		r.fail("tls.files", f.CertFile, err.Error(), "the bridge does not start", fix)
		return
	}
	until := cert.Leaf.NotAfter
	switch left := time.Until(until); {
	case left <= 0:
		r.fail("tls.expired", f.CertFile, "the certificate expired on "+until.Format(time.DateOnly), "no client connects", "renew it; the bridge reads changed files by itself")
	case left < expiresSoon:
		r.warn("tls.expires", f.CertFile, "the certificate expires on "+until.Format(time.DateOnly), "then no client connects", "renew it; the bridge reads changed files by itself")
	default:
		r.ok("tls.files", f.CertFile, "the certificate is good until %s", until.Format(time.DateOnly))
	}
}
