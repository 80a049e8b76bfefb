package auth

import "time"

// Kind is the kind of token that a Principal presented.
type Kind uint8

// The kinds of tokens.
const (
	// ChatEngine: HS256 by the shared secret, the workspace in a claim.
	ChatEngine Kind = iota + 1
	// Supabase: a session token of the project; the workspace comes with the
	// connection and the user must be a member of it.
	Supabase
)

// Principal is whom a token identifies.
type Principal struct {
	// Workspace is the id of the one workspace whose events the Principal may see.
	Workspace string
	// User is the user's id; empty for a ChatEngine token that names no user.
	User string
	// Expires is when the token expires; zero if it never does.
	Expires time.Time
	Kind    Kind
}

// Membership returns the membership that admits the Principal of a session token. ok is
// false for a ChatEngine token, which names its workspace itself.
func (p Principal) Membership() (m Membership, ok bool) {
	return Membership{User: p.User, Workspace: p.Workspace}, p.Kind == Supabase
}
