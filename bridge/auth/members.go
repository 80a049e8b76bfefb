package auth

import (
	"context"
	"strings"
)

// Membership says, by their ids, that a user belongs to a workspace.
type Membership struct{ User, Workspace string }

// Fold returns m with its ids in lower case, for comparing ids of the database with
// those of tokens: ids that differ only in case count as the same.
func (m Membership) Fold() Membership {
	return Membership{strings.ToLower(m.User), strings.ToLower(m.Workspace)}
}

// Members knows who belongs to which workspace. Its methods are called concurrently.
type Members interface {
	// Find returns the workspace's id as the database writes it (the client may
	// have written it in another case), or "" if the user is not a member. An
	// error means that there is no answer.
	Find(ctx context.Context, user, workspace string) (string, error)
	// Existing asks one question about all of the memberships and returns those
	// that exist, as the database writes their ids. The result may also have
	// memberships that were not asked for, and may lack some that exist: Find decides.
	Existing(ctx context.Context, of []Membership) ([]Membership, error)
}
