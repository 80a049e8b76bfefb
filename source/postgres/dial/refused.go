package dial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"chatbridge/internal/certname"

	"github.com/jackc/pgx/v5/pgconn"
)

// supabaseCA is where the certificate of Supabase's own authority is.
const supabaseCA = "(Supabase: Database Settings, SSL Configuration, Download certificate)"

// Refused tells apart what is neither user nor password, where a connection fails at
// TLS or at the server's pg_hba.conf: what it is and the remedy; ok is false for any
// other error.
func Refused(err error) (id, what, remedy string, ok bool) {
	const byTLS, byHBA = "connect.tls", "connect.hba"
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &unknown):
		return byTLS, "the server's certificate is signed by an authority that this machine does not know",
			"name the authority's certificate: …?sslmode=verify-full&sslrootcert=/path/to/ca.crt " + supabaseCA, true
	case errors.As(err, &host):
		return byTLS, "the server's certificate is for another name: " + certname.Other(host),
			"use the name that it is for, or sslmode=verify-ca, which does not compare it", true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return byTLS, "the server's certificate, or that of its authority, is not valid now: it is from " + invalid.Cert.NotBefore.Format(time.DateOnly) +
				" to " + invalid.Cert.NotAfter.Format(time.DateOnly) + ", as this machine's clock has it",
			"renew it at the server, or set this machine's clock", true
	case errors.As(err, &verification):
		return byTLS, "the server's certificate is not accepted: " + verification.Err.Error(), "check sslmode and sslrootcert in the database's address", true
	case withoutTLS(err):
		return byTLS, "the server does not do TLS, and the address asks for it", "turn TLS on at the server (ssl = on), or use sslmode=prefer or sslmode=disable", true
	}
	if !errors.As(err, &pg) || pg.Code != "28000" || !strings.Contains(pg.Message, "pg_hba.conf") {
		return "", "", "", false
	}
	// Postgres says whether the connection was encrypted.
	switch plain := strings.Contains(pg.Message, "no encryption") || strings.Contains(pg.Message, "SSL off"); {
	case plain && !strings.Contains(pg.Message, "rejects"):
		return byTLS, "the server's pg_hba.conf admits this user and address with TLS only, or not at all: " + pg.Message,
			"sslmode=require in the database's address, or better sslmode=verify-full with sslrootcert; else a line in the server's pg_hba.conf", true
	default:
		return byHBA, "the server's pg_hba.conf does not admit this user from this address: " + pg.Message,
			"a line for it in the server's pg_hba.conf, then SELECT pg_reload_conf(); (Supabase: Network Restrictions)", true
	}
}

// NoTenant reports the refusal of Supavisor, Supabase's connection pooler, of a user
// without, or with another, project.
func NoTenant(pg *pgconn.PgError) bool {
	said := strings.ToLower(pg.Message)
	return pg.Code == "XX000" && strings.Contains(said, "tenant") && strings.Contains(said, "not found")
}

// withoutTLS reports whether every attempt has failed because the server does not do TLS. With
// sslmode=prefer, the default, there is another attempt without, whose error counts.
func withoutTLS(err error) bool {
	switch e := err.(type) { //nolint:errorlint // the tree of attempts is walked
	case nil:
		return false
	case tls.RecordHeaderError:
		return true
	case interface{ Unwrap() []error }:
		attempts := e.Unwrap()
		return len(attempts) > 0 && !slices.ContainsFunc(attempts, func(attempt error) bool { return !withoutTLS(attempt) })
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return withoutTLS(inner)
		}
	}
	return strings.Contains(err.Error(), "server refused TLS connection")
}
