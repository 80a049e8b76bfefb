package realtimedouble

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// claims is what the server makes of a token.
type claims struct {
	role string
	exp  time.Time
	json string
}

// tokenError is why a token is refused, in the words of each place.
type tokenError struct {
	connect, join, system string
	status                int
}

func (e *tokenError) Error() string { return e.connect }

const missingClaims = "Fields `role` and `exp` are required in JWT"

// verify checks a token in the order and in the words of the real server.
func (s *Server) verify(token string) (claims, *tokenError) {
	token = strings.Join(strings.Fields(token), "")
	malformed := &tokenError{
		status: 401, connect: "The token provided is not a valid JWT",
		join:   "MalformedJWT: The token provided is not a valid JWT",
		system: "The token provided is not a valid JWT",
	}
	var m jwt.MapClaims
	p := jwt.NewParser(jwt.WithoutClaimsValidation())
	t, err := p.ParseWithClaims(token, &m, func(t *jwt.Token) (any, error) {
		if !strings.HasPrefix(t.Method.Alg(), "HS") {
			return nil, errSigner
		}
		return s.opts.Secret, nil
	})
	switch {
	case errors.Is(err, errSigner) || (err != nil && t != nil && t.Method != nil && t.Method.Alg() == "none"):
		return claims{}, &tokenError{
			status: 401, connect: "Failed to generate JWT signer, check your JWT secret or JWKS configuration",
			join:   "JwtSignerError: Failed to generate JWT signer, check your JWT secret or JWKS configuration",
			system: "Failed to generate JWT signer",
		}
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return claims{}, &tokenError{
			status: 401, connect: "Failed to validate JWT signature",
			join: "JwtSignatureError: Failed to validate JWT signature", system: ":signature_error",
		}
	case err != nil:
		return claims{}, malformed
	}
	role, _ := m["role"].(string)
	if role == "" || m["exp"] == nil {
		return claims{}, &tokenError{status: 401, connect: missingClaims, join: "InvalidJWTToken: " + missingClaims, system: missingClaims}
	}
	exp, ok := m["exp"].(float64)
	if !ok {
		return claims{}, &tokenError{status: 500, connect: "Error connecting to Realtime", join: "InvalidJWTToken: Token expiration time is invalid", system: "Token expiration time is invalid"}
	}
	c := claims{role: role, exp: time.Unix(int64(exp), 0)}
	b, err := json.Marshal(m)
	if err != nil {
		return claims{}, malformed
	}
	c.json = string(b)
	if ago := time.Since(c.exp); ago >= 0 || s.script.isExpired(token) {
		text := expiredText(ago)
		return claims{}, &tokenError{status: 401, connect: "Token has expired", join: "InvalidJWTToken: " + text, system: text}
	}
	return c, nil
}

var errSigner = errors.New("no signer for the algorithm")

func expiredText(ago time.Duration) string {
	return fmt.Sprintf("Token has expired %d seconds ago", int(ago.Seconds()))
}

// Token signs a token with the given claims; exp is a time from now where it
// is a time.Duration.
func (s *Server) Token(claims map[string]any) string {
	m := jwt.MapClaims{}
	for k, v := range claims {
		if d, ok := v.(time.Duration); ok {
			v = time.Now().Add(d).Unix()
		}
		m[k] = v
	}
	out, err := jwt.NewWithClaims(jwt.SigningMethodHS256, m).SignedString(s.opts.Secret)
	if err != nil {
		panic(fmt.Sprintf("sign a test token: %v", err)) // HS256 cannot fail
	}
	return out
}

// Key is a service_role key that is good for ten years.
func (s *Server) Key() string {
	return s.Token(map[string]any{"role": "service_role", "exp": 10 * 365 * 24 * time.Hour, "iss": "supabase"})
}
