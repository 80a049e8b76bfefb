package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"chatbridge/source/postgres/dial"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// class says what to do about a failure.
type class uint8

const (
	// classRetry: the network, a restart: try again soon.
	classRetry class = iota
	// classSlow: only a change on the server fixes it: retry with long pauses.
	classSlow
	// classFatal: only a change of our own configuration fixes it: end Run.
	classFatal
	// classBusy: another bridge has the slot: stand by.
	classBusy
	// classLost: the slot cannot be read any more: drop it, create it, and
	// report a gap.
	classLost
)

// problem is a failure with what to do about it.
type problem struct {
	class class
	op    string // what failed, as a bare verb phrase
	hint  string // what fixes it, empty where nothing needs to be done
	err   error
}

func (p *problem) Error() string { return p.op + ": " + dial.Said(p.err) }
func (p *problem) Unwrap() error { return p.err }

// code returns the SQLSTATE, empty where there is none.
func (p *problem) code() string {
	var pg *pgconn.PgError
	if errors.As(p.err, &pg) {
		return pg.Code
	}
	return ""
}

// FatalError ends Run: trying again cannot help before the bridge's own
// configuration is changed.
type FatalError struct {
	// Op is what failed.
	Op string
	// Code is the server's SQLSTATE, empty where it did not send one.
	Code string
	// Hint says what to change.
	Hint string
	// Err is the cause.
	Err error
}

// Error gives all of it in one line.
func (e *FatalError) Error() string {
	s := e.Op + ": " + dial.Said(e.Err)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// ExitCode is that of a wrong configuration: to start again does not help.
func (*FatalError) ExitCode() int { return 2 }

// Unwrap returns the cause.
func (e *FatalError) Unwrap() error { return e.Err }

// handlerError marks an error that a handler returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// Remedies that are needed in several places.
const (
	hintPooler = "the URL is a connection pooler's, which cannot replicate: use the direct address (Supabase: db.<project>.supabase.co, port 5432)"
	hintSlots  = "drop a slot that is not needed (select * from pg_replication_slots), or raise max_replication_slots and restart the server"
)

// classify makes a problem of what op failed with. An error that is a problem
// or a handler's already is returned as it is.
func (s *Source) classify(op string, err error) error {
	var p *problem
	var h *handlerError
	if errors.As(err, &p) || errors.As(err, &h) {
		return err
	}
	p = &problem{op: op, err: err}
	var pg *pgconn.PgError
	if _, what, remedy, refused := dial.Refused(err); refused {
		p.class, p.hint = classSlow, what+": "+remedy
	} else if errors.As(err, &pg) {
		p.class, p.hint = s.classifyCode(pg)
	} else {
		p.hint = networkHint(err)
	}
	return p
}

func networkHint(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return dial.HintIPv6
	case errors.As(err, &dns):
		return "check the host name in source.postgres.url"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check that Postgres runs, and host and port in source.postgres.url"
	}
	return ""
}

// classifyCode is the table of what each SQLSTATE means here. The texts are
// those of Postgres 15 to 18.
func (s *Source) classifyCode(e *pgconn.PgError) (class, string) {
	switch e.Code {
	case "28P01", "28000":
		return classSlow, "check user and password in source.postgres.url, and pg_hba.conf"
	case "3D000":
		return classSlow, "check the database's name in source.postgres.url"
	case "42501":
		return classSlow, "give the role its rights: ALTER ROLE ... REPLICATION; `bridge setup` prints all that is needed"
	case "42704":
		if strings.Contains(e.Message, "publication") {
			return s.publicationGone()
		}
		return classRetry, "" // the slot vanished between the check and the start
	case "42601":
		return classFatal, hintPooler
	case "08P01":
		if strings.Contains(e.Message, "startup parameter") {
			return classFatal, hintPooler
		}
		return classRetry, "is this a connection pooler? use the server's direct address; its log says more"
	case "XX000":
		if dial.NoTenant(e) {
			return classFatal, hintPooler
		}
	case "42602", "22023":
		return classFatal, "check the names of slot and publication"
	case "0A000":
		return classSlow, "check the publication: two column lists of one table, or a form that this server does not support"
	case "53300":
		return classSlow, "raise max_wal_senders (or max_connections), or end a reader that is not needed"
	case "53400":
		return classSlow, hintSlots
	case "22021", "22P05":
		// A value cannot be converted to UTF-8: see encoding.go.
		if s.raw == "" && s.encoding != "" {
			s.raw = s.encoding
			return classRetry, ""
		}
	case "55006":
		return classBusy, ""
	case "55000":
		return classify55000(e)
	}
	return classRetry, ""
}

// classify55000 tells apart what object_not_in_prerequisite_state stands for.
func classify55000(e *pgconn.PgError) (class, string) {
	switch {
	case strings.Contains(e.Detail, "invalidated"),
		strings.Contains(e.Message, "cannot read from logical replication slot"),
		strings.Contains(e.Message, "can no longer"):
		return classLost, ""
	case strings.Contains(e.Message, "wal_level"):
		return classSlow, hintWALLevel
	case strings.Contains(e.Message, "not created in this database"):
		return classFatal, "choose another slot name: this one belongs to another database"
	case strings.Contains(e.Message, "in recovery"), strings.Contains(e.Message, "standby"):
		return classSlow, "use the primary's address"
	}
	return classRetry, ""
}

const hintWALLevel = "run ALTER SYSTEM SET wal_level = logical and restart Postgres (on Supabase it is set already)"

// publicationGone is the class of a change that was decoded at a place where
// the publication does not exist. Until somebody creates it, only waiting helps;
// after that this slot still fails at that place for ever, so it is replaced.
func (s *Source) publicationGone() (class, string) {
	s.publicationMissing = true
	return classRetry, s.publicationHint()
}

func (s *Source) publicationHint() string {
	tables := "<tables>"
	if len(s.opts.Tables) > 0 {
		tables = strings.Join(s.opts.Tables, ", ")
	}
	return fmt.Sprintf("run CREATE PUBLICATION %s FOR TABLE %s (`bridge setup --apply` does it)", pgx.Identifier{s.opts.Publication}.Sanitize(), tables)
}
