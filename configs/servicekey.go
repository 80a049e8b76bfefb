package configs

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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

// isServiceKey tells that a key has the rights of the service.
func isServiceKey(key string) bool {
	return strings.HasPrefix(key, "sb_secret_") || roleOf(key) == "service_role"
}

// roleOf is the role in a JWT's claims, "" where the key is none or has no role.
func roleOf(key string) string {
	parts := strings.Split(key, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Role string `json:"role"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return ""
	}
	return claims.Role
}
