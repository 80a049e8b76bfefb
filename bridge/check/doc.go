// Package check looks at everything that can be wrong before it is: the
// configuration, the database that is to be followed, the mapping against its
// real columns, the keys that tokens are verified with, who is asked about
// members, ChatEngine behind the gateway, the addresses to listen on. It is
// what `bridge check` prints and `bridge setup` plans from.
//
// It changes nothing anywhere: what it opens it closes, and what it asks are
// questions. Every finding says what is, what comes of it and the exact
// statement or setting that mends it. Secrets are in none.
//
// Run asks one thing after the other, each bounded in time; it starts no
// goroutine of its own.
package check
