package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
)

const (
	// maxKeys bounds the keys taken from a set.
	maxKeys = 64
	// minRSABits is the least size of an RSA key (RFC 7518, section 3.3).
	minRSABits = 2048
)

// publicKey is one published key and the one algorithm that it verifies.
type publicKey struct {
	id, algorithm string
	key           any // as jwt.SigningMethod.Verify wants it
}

// parseKeys returns the usable keys of a JSON Web Key Set (RFC 7517). A key of
// another type or use is skipped, as section 5 wants. A text that is not a set is
// an error, so that it does not replace the known keys.
func parseKeys(body []byte) ([]publicKey, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("the answer is not a JSON Web Key Set")
	}
	keys := []publicKey{}
	for _, raw := range *set.Keys {
		if len(keys) == maxKeys {
			break
		}
		var k jwk
		if json.Unmarshal(raw, &k) != nil || k.Use != "" && k.Use != "sig" || len(k.ID) > maxKeyID {
			continue
		}
		algorithm, key := k.public()
		if algorithm == "" || k.Algorithm != "" && k.Algorithm != algorithm {
			continue
		}
		keys = append(keys, publicKey{id: k.ID, algorithm: algorithm, key: key})
	}
	return keys, nil
}

// jwk is a JSON Web Key (RFC 7517, 4), with the parameters of RSA (RFC 7518,
// 6.3), EC (6.2) and OKP (RFC 8037, 2) keys.
type jwk struct {
	Type      string    `json:"kty"`
	Use       string    `json:"use"`
	Algorithm string    `json:"alg"`
	ID        string    `json:"kid"`
	N         base64URL `json:"n"`
	E         base64URL `json:"e"`
	Curve     string    `json:"crv"`
	X         base64URL `json:"x"`
	Y         base64URL `json:"y"`
	D         *string   `json:"d"` // present in a private key
}

// public returns the key and the one algorithm that it verifies, or "" for a key that
// cannot be used. That includes symmetric and private keys, which must not be published.
func (k *jwk) public() (algorithm string, key any) {
	switch {
	case k.D != nil:
	case k.Type == "RSA":
		n, e := new(big.Int).SetBytes(k.N), new(big.Int).SetBytes(k.E)
		if n.BitLen() >= minRSABits && e.IsInt64() && e.Int64() <= math.MaxInt32 {
			return "RS256", &rsa.PublicKey{N: n, E: int(e.Int64())}
		}
	case k.Type == "EC" && k.Curve == "P-256":
		// ParseUncompressedPublicKey refuses points that are not on the curve.
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, k.X, k.Y))
		if err == nil {
			return "ES256", key
		}
	case k.Type == "OKP" && k.Curve == "Ed25519" && len(k.X) == ed25519.PublicKeySize:
		return "EdDSA", ed25519.PublicKey(k.X)
	}
	return "", nil
}

// base64URL is bytes that JOSE writes in base64url without padding.
type base64URL []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *base64URL) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.AppendDecode(nil, text)
	return err
}
