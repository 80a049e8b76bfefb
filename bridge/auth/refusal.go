package auth

import (
	"errors"
	"slices"
)

// ErrUnavailable is wrapped by errors of Authenticate that say nothing about
// the token: it could not be verified now. Test with errors.Is.
var ErrUnavailable = errors.New("authentication is not available now")

// The codes of a Refusal. Clients, metrics and runbooks may rely on them.
const (
	// CodeTokenMissing: there is no token.
	CodeTokenMissing = "token_missing"
	// CodeTokenMalformed: it is no signed JWT, or too large.
	CodeTokenMalformed = "token_malformed"
	// CodeTokenAlgorithm: it is signed in a way that is not accepted.
	CodeTokenAlgorithm = "token_algorithm"
	// CodeTokenSignature: no secret and no key verifies it.
	CodeTokenSignature = "token_signature"
	// CodeTokenKey: it names a key that the project does not publish.
	CodeTokenKey = "token_key_unknown"
	// CodeTokenExpired: its time is over.
	CodeTokenExpired = "token_expired"
	// CodeTokenNotActive: its time has not begun.
	CodeTokenNotActive = "token_not_active"
	// CodeTokenIssuer and CodeTokenAudience: it was made by or for another.
	CodeTokenIssuer   = "token_issuer"
	CodeTokenAudience = "token_audience"
	// CodeTokenClaims: a claim that is needed is missing or of another type.
	CodeTokenClaims = "token_claims"
	// CodeTokenRole: it is a key of the project, not a user's session.
	CodeTokenRole = "token_role"
	// CodeWorkspaceMissing: neither the token nor the client names one.
	CodeWorkspaceMissing = "workspace_missing"
	// CodeWorkspaceInvalid: what is named cannot be a workspace's id.
	CodeWorkspaceInvalid = "workspace_invalid"
	// CodeNotMember: the user is not a member of the workspace.
	CodeNotMember = "not_a_member"
)

// codes are all of them, for counting.
var codes = [...]string{
	CodeTokenMissing, CodeTokenMalformed, CodeTokenAlgorithm, CodeTokenSignature, CodeTokenKey, CodeTokenExpired, CodeTokenNotActive,
	CodeTokenIssuer, CodeTokenAudience, CodeTokenClaims, CodeTokenRole, CodeWorkspaceMissing, CodeWorkspaceInvalid, CodeNotMember,
}

// Codes returns all codes that a Refusal may have.
func Codes() []string { return slices.Clone(codes[:]) }

// Refusal is for good: the client gets the code and the message, and is not to
// try again with the same token.
type Refusal struct {
	// Code is one of the constants.
	Code string
	// Message is one sentence for the client's developer. It contains nothing of
	// the token.
	Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(code, message string) error { return &Refusal{Code: code, Message: message} }
