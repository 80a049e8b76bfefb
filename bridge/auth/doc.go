// Package auth turns a token into a Principal: whose it is, and for which one
// workspace. Two kinds of token are known, side by side: ChatEngine's (HS256,
// the workspace in a claim) and Supabase session tokens (HS256, or RS256,
// ES256 and EdDSA by the project's published keys), which carry no workspace;
// for those the client names one and membership is looked up.
//
// Rules that everything here keeps:
//
//   - The algorithm belongs to the key. A secret verifies HS256 and nothing
//     else, a published key the one algorithm of its type; what the token's
//     header says only selects among those. `none`, a public key used as an
//     HS256 secret, and keys that the token brings along verify nothing.
//   - A refusal is for good (*Refusal with a stable code): the client is told
//     and stops. Where the answer cannot be had now, because the keys or the
//     members cannot be read, the error is ErrUnavailable: the client must be
//     let go in a way that makes it come back. Nobody is let in meanwhile.
//   - No token, no secret and no claim is in any error.
//
// Concurrency: an Authenticator may be used from any goroutine; its secrets
// may be replaced while it is. Lifecycle: Run keeps the published keys fresh
// until its context ends; without it they are read when needed. The package
// knows nothing of Socket.IO, HTTP serving or Postgres connections: who is a
// member is asked through the interface Members.
package auth
