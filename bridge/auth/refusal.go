package auth

import (
	"errors"
	"slices"
)

// ErrUnavailable is wrapped by the errors of Authenticate for a token that could not be
// verified now, and may be valid. Test with errors.Is.
var ErrUnavailable = errors.New("authentication is not available now")

// The codes of a Refusal. Clients, metrics and runbooks may rely on them.
const (
	// CodeTokenMissing: there is no token.
	CodeTokenMissing = "token_missing"
	// CodeTokenMalformed: the token is not a signed JWT, is too large, or has critical
	// headers.
	CodeTokenMalformed = "token_malformed"
	// CodeTokenAlgorithm: the token's algorithm is not accepted.
	CodeTokenAlgorithm = "token_algorithm"
	// CodeTokenSignature: no secret and no key verifies the token.
	CodeTokenSignature = "token_signature"
	// CodeTokenKey: the token is signed with a key that the project does not publish.
	CodeTokenKey = "token_key_unknown"
	// CodeTokenExpired: exp is in the past.
	CodeTokenExpired = "token_expired"
	// CodeTokenNotActive: nbf is in the future.
	CodeTokenNotActive = "token_not_active"
	// CodeTokenIssuer and CodeTokenAudience: iss or aud is not a configured one.
	CodeTokenIssuer   = "token_issuer"
	CodeTokenAudience = "token_audience"
	// CodeTokenClaims: a claim that is needed is missing or of another type.
	CodeTokenClaims = "token_claims"
	// CodeTokenRole: the token is an API key of the project, not a user's session.
	CodeTokenRole = "token_role"
	// CodeWorkspaceMissing: neither the token nor the client names a workspace.
	CodeWorkspaceMissing = "workspace_missing"
	// CodeWorkspaceInvalid: the named workspace cannot be an id.
	CodeWorkspaceInvalid = "workspace_invalid"
	// CodeNotMember: the user is not a member of the workspace.
	CodeNotMember = "not_a_member"
)

// codes are all codes of a Refusal, in the order of the counters.
var codes = [...]string{
	CodeTokenMissing, CodeTokenMalformed, CodeTokenAlgorithm, CodeTokenSignature, CodeTokenKey, CodeTokenExpired, CodeTokenNotActive,
	CodeTokenIssuer, CodeTokenAudience, CodeTokenClaims, CodeTokenRole, CodeWorkspaceMissing, CodeWorkspaceInvalid, CodeNotMember,
}

// Codes returns all codes that a Refusal may have.
func Codes() []string { return slices.Clone(codes[:]) }

// Refusal is final: the client gets the code and the message, and should not try again
// with the same token.
type Refusal struct {
	// Code is one of the Code constants.
	Code string
	// Message is one phrase for the client's developer. It contains nothing of the
	// token.
	Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(code, message string) error { return &Refusal{Code: code, Message: message} }
