package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeysBody bounds what is read of the endpoint's answer, in bytes.
	maxKeysBody = 1 << 20
	// maxKeys bounds the keys taken from it.
	maxKeys = 64
	// minRSABits is what RFC 7518, section 3.3, demands.
	minRSABits = 2048
)

// publicKey is one published key and the one algorithm that it verifies.
type publicKey struct {
	id, algorithm string
	key           any
}

// fetchKeys reads a JSON Web Key Set (RFC 7517).
func fetchKeys(ctx context.Context, client *http.Client, url string) ([]publicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeysBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeysBody {
		return nil, fmt.Errorf("%s answers with more than %d bytes", url, maxKeysBody)
	}
	return parseKeys(body)
}

// FetchKeys reads the published keys at url once and returns how many of
// them can be used, for a check of the configuration.
func FetchKeys(ctx context.Context, client *http.Client, url string) (int, error) {
	keys, err := fetchKeys(ctx, client, url)
	return len(keys), err
}

// parseKeys takes the usable keys of a set. A key of another type or use is
// passed over, as RFC 7517, section 5, wants; a text that is no set is an
// error, and so keeps the keys that were known.
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
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil || k.Use != "" && k.Use != "sig" {
			continue
		}
		algorithm := algorithmOf(k.Key)
		if algorithm == "" || k.Algorithm != "" && k.Algorithm != algorithm || len(k.KeyID) > maxKeyID {
			continue
		}
		keys = append(keys, publicKey{id: k.KeyID, algorithm: algorithm, key: k.Key})
	}
	return keys, nil
}

// algorithmOf binds a key to one algorithm; "" for keys that cannot be used:
// symmetric and private ones have no business in a published set.
func algorithmOf(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return "RS256"
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}
