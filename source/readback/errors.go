package readback

import (
	"fmt"
	"strings"
	"time"
)

// Error is a reader's failure with what the operator can do about it.
type Error struct {
	// Op is what was being done, such as `read public.messages`.
	Op string
	// Status is the HTTP status, 0 for SQL and for failures below HTTP.
	Status int
	// Code is PostgREST's or Postgres's error code, where there was one.
	Code string
	// Hint says what resolves it, empty where only waiting helps.
	Hint string
	// Permanent tells that asking again changes nothing before someone has
	// done what Hint says.
	Permanent bool
	// Less tells that what was asked for may be the reason: too much for the bound
	// of an answer or the time of a request, or a row that the server cannot print.
	// Asking for fewer rows may work.
	Less bool
	// RetryAfter is how long the server asked us to wait, 0 where it did not.
	RetryAfter time.Duration
	Err        error
}

// Error names the operation, the cause and the remedy.
func (e *Error) Error() string {
	s := e.Op
	if e.Status != 0 {
		s += fmt.Sprintf(": HTTP %d", e.Status)
	}
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// lessHelps reports whether an error code of Postgres can be that of the rows asked
// for, or of their number: values that cannot be printed (22), damaged data (XX), a
// limit of the server's (54), its memory or its time for a statement.
func lessHelps(code string) bool {
	if len(code) != 5 {
		return false // not Postgres's
	}
	class := code[:2]
	return class == "22" || class == "XX" || class == "54" || code == "53200" || code == "57014"
}

// RoleRefused reports whether an answer of PostgREST's says that the database does not
// let it take the role that the key names: there is none, or it was not granted.
func RoleRefused(code, message string) bool {
	return code == "22023" && strings.HasPrefix(message, "role ") || code == "42501" && strings.Contains(message, "to set role")
}

// maxAnswer is the default bound of what one question may return, in bytes.
const maxAnswer = 64 << 20
