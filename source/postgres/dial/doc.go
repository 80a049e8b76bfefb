// Package dial sets up the sessions that the bridge has with Postgres, so that
// what they print does not depend on the settings of role and database. All
// connections of the source, of `bridge check` and of `bridge setup` are made
// here, in tests and in production.
//
// The parameters are in the startup packet, which wins over the defaults of
// role and database. A pooler may refuse them: these are direct connections.
//
//	dial.go     settings of a session, and the connections with them
//	bridge.go   the name by which a bridge is known to the server, and back
//	refused.go  what the server's refusals mean, and what to do
//	said.go     an error in the server's words
package dial
