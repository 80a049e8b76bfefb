package auth

import "slices"

// workspaceClaims are the claims that may hold a ChatEngine token's workspace; the first
// that is set counts.
var workspaceClaims = []string{"workspace_id", "workspaceId", "workspace"}

// secretSet is a set of HS256 secrets. It is never changed, only replaced.
type secretSet struct{ chatEngine, supabase []string }

func newSecretSet(chatEngine, supabase []string) *secretSet {
	return &secretSet{slices.Clone(chatEngine), slices.Clone(supabase)}
}

// verify finds the secret that made the signature, and returns the kind of token that it
// signs. One secret may be of both kinds, if ChatEngine signs with the project's secret.
// Then a token with a workspace in its claims counts as ChatEngine's: users cannot add
// top-level claims to their session tokens.
func (s *secretSet) verify(t *token) (Kind, error) {
	if len(s.chatEngine) == 0 && len(s.supabase) == 0 {
		return 0, refuse(CodeTokenAlgorithm, "tokens signed with a shared secret are not accepted here")
	}
	chatEngine, supabase := matches(t, s.chatEngine), matches(t, s.supabase)
	switch {
	case chatEngine && supabase:
		if workspace, ok := t.claims.firstID(workspaceClaims...); ok && workspace == "" {
			return Supabase, nil
		}
		return ChatEngine, nil
	case chatEngine:
		return ChatEngine, nil
	case supabase:
		return Supabase, nil
	}
	return 0, refuse(CodeTokenSignature, "the token's signature is not right")
}

func matches(t *token, secrets []string) bool {
	for _, s := range secrets {
		if t.verifies([]byte(s)) {
			return true
		}
	}
	return false
}
