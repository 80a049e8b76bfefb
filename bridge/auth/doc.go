// Package auth turns a token into a Principal: whose it is, and for which one
// workspace. Two kinds of token are known, side by side: ChatEngine's (HS256,
// the workspace in a claim) and Supabase session tokens (HS256, or RS256,
// ES256 and EdDSA by the project's published keys), which carry no workspace;
// for those the client names one and membership is looked up.
//
// Rules that everything here keeps:
//
//   - The algorithm belongs to the key. A secret verifies HS256 and nothing
//     else, a published key the one algorithm of its type; the token's header
//     only selects among those. `none`, a public key used as an HS256 secret, and
//     keys that the token brings along verify nothing.
//   - A refusal is for good (*Refusal with a stable code): the client gets it
//     and stops. Where the keys or the members cannot be read now, the error is
//     ErrUnavailable: the client must be closed in a way that makes it come back.
//     Nobody is let in meanwhile.
//   - No token, no secret and no claim is in any error.
//
// # Files
//
//	authenticator.go  Authenticator: which rules a token is checked by
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
//	membercache.go    … cached, and asked again about clients that are connected
//	questionlimit.go  … how often a user and an address may ask
//	members_sql.go    … asked of the database
//	members_rest.go   … asked of PostgREST
//	share.go          one question for callers at the same time
//	sign.go           makes ChatEngine tokens
//	stats.go          counters
//
// # Lifecycle and concurrency
//
// An Authenticator may be used from any goroutine; its secrets may be replaced
// while it is. Run keeps the published keys fresh until its context ends;
// without it they are read when needed. A reading of the keys and a question
// about membership run in a goroutine that callers share and that ends after 5 s
// at most, also without a caller; Run waits for its own. Locks: keySet.mu,
// memberCache.mu and askers.mu are held while their fields are used, never during a
// request.
//
// The package knows nothing of Socket.IO, HTTP serving or Postgres connections:
// who is a member is asked through the interface Members.
package auth
