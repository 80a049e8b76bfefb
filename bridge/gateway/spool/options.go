package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options configure a Spool. Start from [DefaultOptions].
type Options struct {
	// Dir is where the file is; it is created, for the process's user alone.
	// Required.
	Dir string
	// MaxBytes bounds what is kept, dead letters included, in bytes of bodies and
	// headers. The file may be larger by what bbolt has not used again.
	MaxBytes int64
	// MaxAge is how long a webhook is tried; then it is a dead letter. A dead
	// letter is dropped after as long again.
	MaxAge time.Duration
	// MaxBody bounds one body, in bytes; BodyTimeout the time in which it must
	// have come.
	MaxBody     int64
	BodyTimeout time.Duration
	// Rate is how many are sent in a minute; 0 is no bound.
	Rate int
	// Timeout bounds one attempt, until ChatEngine's answer.
	Timeout time.Duration
	// Logger gets what an operator should know. Nil discards.
	Logger *slog.Logger
}

// DefaultOptions returns the defaults; Dir remains to be set.
func DefaultOptions() Options {
	return Options{
		MaxBytes: 1 << 30, MaxAge: 72 * time.Hour, MaxBody: 16 << 20, BodyTimeout: 20 * time.Second,
		Rate: 60, Timeout: 30 * time.Second,
	}
}

// Validate returns every fault of o, joined, each with the setting's name.
func (o Options) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(o.Dir == "", "dir: missing; set it to a directory of the bridge's own")
	fault(o.MaxBytes <= 0, "max bytes: %d must be positive", o.MaxBytes)
	fault(o.MaxBody <= 0 || o.MaxBody > o.MaxBytes, "max body: %d must be positive, and not more than max bytes", o.MaxBody)
	fault(o.MaxAge <= 0, "max age: %v must be positive", o.MaxAge)
	fault(o.BodyTimeout <= 0, "body timeout: %v must be positive", o.BodyTimeout)
	fault(o.Timeout <= 0, "timeout: %v must be positive", o.Timeout)
	fault(o.Rate < 0, "rate: %d must not be negative", o.Rate)
	return errors.Join(faults...)
}
