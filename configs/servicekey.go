package configs

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// acceptedServiceKey is what serves as the service key of a Supabase project.
const acceptedServiceKey = "the project's service_role or sb_secret_ key"

// unfitServiceKey says why a key shows nothing of tables with row level security,
// which neither Realtime nor PostgREST answers with an error; "" where nothing speaks
// against it. No secret is needed: the new keys say what they are in front, and the
// old ones are JWTs, whose claims anybody can read.
func unfitServiceKey(key string) string {
	const hidden = ": row level security hides the rows from it without an error, and no events would come"
	if strings.HasPrefix(key, "sb_publishable_") {
		return "is a publishable key" + hidden
	}
	switch role := roleOf(key); role {
	case "anon", "authenticated":
		return fmt.Sprintf("is a key of the role %s", quote(role)) + hidden
	}
	return ""
}

// isServiceKey reports whether a key has the rights of the service.
func isServiceKey(key string) bool {
	return strings.HasPrefix(key, "sb_secret_") || roleOf(key) == "service_role"
}

// roleOf is the role in a JWT's claims, "" where the key is none or has no role.
func roleOf(key string) string { return claimsOf(key).Role }

// keyClaims is what the JWT of a project's key says of itself.
type keyClaims struct {
	Role string `json:"role"`
	// Ref is the project that the key is of; a server of one's own has none.
	Ref string `json:"ref"`
}

// claimsOf reads a key's claims, nothing where it is no JWT.
func claimsOf(key string) (claims keyClaims) {
	parts := strings.Split(key, ".")
	if len(parts) != 3 {
		return keyClaims{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return keyClaims{}
	}
	return claims
}

// otherProject is the project that a key is of where the address, one of Supabase's
// own, is another's; "" otherwise.
func otherProject(key, address string) string {
	ref := claimsOf(key).Ref
	u, err := url.Parse(address)
	if err != nil || ref == "" {
		return ""
	}
	project, ours := strings.CutSuffix(strings.ToLower(u.Hostname()), ".supabase.co")
	if !ours || project == ref {
		return ""
	}
	return ref
}
