// Package demo runs everything on one machine with nothing to configure: a
// private throw-away Postgres with the CRM's schema, a generator of realistic
// WhatsApp traffic, and the bridge. `bridge demo` runs it.
//
//   - demo.go: Run, its options and configuration, what it prints at first
//   - world.go: the sample workspaces, contacts and conversations
//   - traffic.go: Traffic, the writes and when they are due
//   - message.go: one message row
//   - screen.go: the status line
//
// Run owns every goroutine and process that it starts and returns after all of
// them: when its time is up, on Ctrl-C, and when it is interrupted while
// Postgres is still starting.
package demo
