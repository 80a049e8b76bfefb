package auth

import (
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// maxToken bounds a token, in bytes. A session token with much app_metadata
// has two or three thousand.
const maxToken = 16 << 10

// maxKeyID bounds the `kid` header, in bytes.
const maxKeyID = 256

// token is a JWT that has been parsed and not been verified.
type token struct {
	method    jwt.SigningMethod
	keyID     string
	signed    string // what the signature signs: header.payload
	signature []byte
	claims    claims
}

// algorithms are the only ones that can be accepted; `none` is not.
var algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

var parser = jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation(), jwt.WithJSONNumber())

// parseToken parses a token. Nothing in the result can be trusted until verifies has
// reported true.
func parseToken(s string) (*token, error) {
	if s == "" {
		return nil, refuse(CodeTokenMissing, "no token: connect with auth: {token}")
	}
	malformed := refuse(CodeTokenMalformed, "the token is not a signed JWT")
	if len(s) > maxToken {
		return nil, refuse(CodeTokenMalformed, "the token is too large")
	}
	// Go's base64 skips line breaks; a token has none.
	if strings.ContainsFunc(s, notInToken) {
		return nil, malformed
	}
	mapped := jwt.MapClaims{}
	parsed, parts, err := parser.ParseUnverified(s, mapped)
	if err != nil {
		if errors.Is(err, jwt.ErrTokenUnverifiable) {
			return nil, refuse(CodeTokenAlgorithm, "the token's algorithm is not accepted")
		}
		return nil, malformed
	}
	if !slices.Contains(algorithms, parsed.Method.Alg()) {
		return nil, refuse(CodeTokenAlgorithm, "the token's algorithm is not accepted")
	}
	// RFC 7515, 4.1.11: a token with a critical header that is not understood is
	// refused.
	if _, critical := parsed.Header["crit"]; critical {
		return nil, refuse(CodeTokenMalformed, "the token has critical headers, which are not supported")
	}
	t := &token{method: parsed.Method, signed: strings.Join(parts[:2], "."), signature: parsed.Signature, claims: claims(mapped)}
	if kid, has := parsed.Header["kid"]; has {
		var ok bool
		if t.keyID, ok = kid.(string); !ok || len(t.keyID) > maxKeyID {
			return nil, malformed
		}
	}
	return t, nil
}

func notInToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// verifies reports whether key made the signature. A key of another type than the
// algorithm's verifies nothing.
func (t *token) verifies(key any) bool {
	return t.method.Verify(t.signed, t.signature, key) == nil
}
