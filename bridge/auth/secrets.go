package auth

import "slices"

// workspaceClaims are where a ChatEngine token has its workspace, the first
// that holds something.
var workspaceClaims = []string{"workspace_id", "workspaceId", "workspace"}

// secretSet is the HS256 secrets of one moment; it is never changed.
type secretSet struct{ chatEngine, supabase []string }

func newSecretSet(chatEngine, supabase []string) *secretSet {
	return &secretSet{slices.Clone(chatEngine), slices.Clone(supabase)}
}

// verify finds the secret that made the signature. Where one secret serves
// both kinds, which a ChatEngine that signs with the project's secret does,
// the workspace in the claims tells them apart: session tokens have none, and
// users cannot add top-level claims to theirs.
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
