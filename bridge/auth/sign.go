package auth

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Sign makes a ChatEngine token (HS256) for tools and tests. User, issuer and
// audience may be empty; a token with a ttl of zero or less never expires.
func Sign(secret, workspace, user, issuer, audience string, now time.Time, ttl time.Duration) (string, error) {
	if secret == "" || workspace == "" {
		return "", errors.New("sign token: it needs a secret and a workspace")
	}
	c := jwt.MapClaims{workspaceClaims[0]: workspace, "iat": now.Unix()}
	for name, value := range map[string]string{"sub": user, "iss": issuer, "aud": audience} {
		if value != "" {
			c[name] = value
		}
	}
	if ttl > 0 {
		c["exp"] = now.Add(ttl).Unix()
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
}
