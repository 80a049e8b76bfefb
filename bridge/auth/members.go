package auth

import (
	"context"
	"strings"
)

// Membership is that a user belongs to a workspace, by their ids.
type Membership struct{ User, Workspace string }

// Fold returns it with ids in lower case, as they are compared where the database
// may write them in another case than a token: ids that differ in nothing else
// count as the same.
func (m Membership) Fold() Membership {
	return Membership{strings.ToLower(m.User), strings.ToLower(m.Workspace)}
}

// Members knows who belongs to which workspace.
type Members interface {
	// Find returns the workspace's id as the database writes it (the client
	// may have named it in another case), or "" where the user is no member.
	// An error means that there is no answer.
	Find(ctx context.Context, user, workspace string) (string, error)
	// Existing returns those of the memberships that the database has, as it
	// writes them, in one question. There may be others among them.
	Existing(ctx context.Context, of []Membership) ([]Membership, error)
}
