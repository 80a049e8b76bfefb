// Package api is the contract's /api/ws: the Socket.IO server with the bridge's
// admission, authentication and requests. The Hub, which feeds the clients, knows
// packets and rooms; this package knows tokens and HTTP. It imports no source of
// changes, no database and no configuration.
//
// # Files
//
//   - server.go the Server: its Options, New, Run
//   - admission.go which HTTP requests may begin a session; origins.go which
//     browsers may; requestlimit.go how many requests that open no session
//   - warmup.go new sessions wait after a start until the log is filled
//   - drain.go closing clients in batches, so that they go elsewhere
//   - connect.go a CONNECT: its token, its client
//   - elsewhere.go sessions that are resumed at another bridge of a cluster
//   - requests.go the events that clients send
//   - conversationids.go the ids of conversations as the database writes them
//   - sending.go the texts that clients send, and what is told of them
//   - typing.go clients' typing notices, and which are dropped
//   - expiry.go the end of a client's token, and a fresh one
//   - membership.go the end of a client whose user leaves the workspace
//   - clients.go the clients as the operator sees them, and closing one
//   - counters.go what the Server refused, and why
//
// # Lifecycle
//
// New, then Run while Handler serves. A client goes through Handler, authenticate
// and connect, where the Hub takes it, then handle for each of its events, and
// disconnect.
//
// # Goroutines and locks
//
// Run starts a goroutine each for the warm-up and the drain on standby, one that stores
// sessions again where there is an Elsewhere, and two for memberships where there are
// Members. It returns after these and the Hub have, and after those that wait for the
// Sender. The callbacks of the Socket.IO server run on the connections' goroutines, and one
// client's come one at a time; what they share is guarded by counters.mu, logOnce.mu,
// memberships.mu, sendings.mu, typingJudge.mu and, for one client, expiry.mu. None of these
// is held during a call of the Hub, the Authenticator or a socket. Only
// cluster.SharedSession.mu is held during a call of the Hub, which tells what the client has.
package api
