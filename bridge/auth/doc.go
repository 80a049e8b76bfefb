// Package auth turns a token into a Principal: a user and the one workspace that
// the token is for. It accepts two kinds of token: ChatEngine's (HS256, the
// workspace in a claim) and Supabase session tokens (HS256, or RS256, ES256 and
// EdDSA by the project's published keys). A session token carries no workspace:
// the client names one and membership is looked up.
//
// Rules:
//
//   - The algorithm belongs to the key. A secret verifies HS256 and nothing
//     else, a published key the one algorithm of its type; the token's header
//     only selects among those. `none`, a public key used as an HS256 secret, and
//     keys that the token brings along verify nothing.
//   - A refusal (*Refusal, with a stable code) is final: the client gets it and
//     stops. If the keys or the members cannot be read now, the error wraps
//     ErrUnavailable: the client must be closed in a way that makes it reconnect,
//     and is not let in meanwhile.
//   - No error contains a token, a secret or a claim.
//
// # Files
//
//	authenticator.go  Authenticator: the rules that a token is checked by
//	options.go        Options and their validation
//	credentials.go    what a client presents; the Authorization header
//	principal.go      whom a token identifies
//	refusal.go        refusals and their codes
//	token.go          a JWT, parsed and not verified
//	claims.go         times, issuer, audience, ids
//	secrets.go        HS256 secrets
//	keyset.go         the project's published keys, cached and read again
//	jwk.go            a JSON Web Key as a public key
//	members.go        Members: who belongs to which workspace
//	membercache.go    a cache of Members' answers, and checks of connected clients
//	questionlimit.go  how often a user and an address may ask Members
//	members_sql.go    Members in the database
//	members_rest.go   Members by way of PostgREST
//	share.go          one question for concurrent callers
//	sign.go           makes ChatEngine tokens
//	stats.go          counters
//
// # Lifecycle and concurrency
//
// An Authenticator may be used from any goroutine, also while its secrets are
// replaced. Run keeps the published keys fresh until its context ends; without
// it they are read when needed. Reading the keys, and asking about a client's
// membership, happens in a goroutine that concurrent callers share. It goes on
// when they leave, and ends after 5 s at most; Run waits for its own. keySet.mu,
// memberCache.mu and askers.mu are held while their fields are used, never
// during a request.
//
// The package knows nothing of Socket.IO, HTTP serving or opening Postgres
// connections: it asks the interface Members who is a member.
package auth
