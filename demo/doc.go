// Package demo is the whole thing on one machine with nothing to configure: a
// private throw-away Postgres with the CRM's schema, a generator of realistic
// WhatsApp traffic, and the bridge on top. `bridge demo` runs it.
//
// It leaves nothing behind: not when its time is up, not on Ctrl-C, not when
// it is interrupted while Postgres is still starting.
package demo
