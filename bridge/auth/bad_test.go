package auth_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/auth"

	"github.com/golang-jwt/jwt/v5"
)

// bad is a token that must be refused, and how.
type bad struct {
	name, token string
	workspace   string // that the client names; "-" for none, "" for acme
	code        string
}

func badTokens(t *testing.T) []bad {
	t.Helper()
	chat := func(changes c) string { return hs256(t, chatSecret, chatClaims().with(changes)) }
	session := func(changes c) string { return hs256(t, projectSecret, sessionClaims().with(changes)) }
	es256 := func(kid string, changes c) string {
		return sign(t, jwt.SigningMethodES256, keys()["ec"], sessionClaims().with(changes), c{"kid": kid})
	}
	chatJSON, err := json.Marshal(chatClaims())
	if err != nil {
		t.Fatal(err)
	}
	good := chat(nil)
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	publicPEM, publicDER := publicKeyForms(t)
	past, future := start.Add(-time.Hour).Unix(), start.Add(time.Hour).Unix()

	return []bad{
		// Not a token.
		{"nothing", "", "", auth.CodeTokenMissing},
		{"not a JWT", "hello", "", auth.CodeTokenMalformed},
		{"a publishable key", "sb_publishable_abc123", "", auth.CodeTokenMalformed},
		{"two parts", parts[0] + "." + parts[1], "", auth.CodeTokenMalformed},
		{"four parts", good + ".x", "", auth.CodeTokenMalformed},
		{"five parts, a JWE", "a.b.c.d.e", "", auth.CodeTokenMalformed},
		{"Bearer before it", "Bearer " + good, "", auth.CodeTokenMalformed},
		{"line break behind it", good + "\n", "", auth.CodeTokenMalformed},
		{"JSON serialization", `{"payload":"` + parts[1] + `"}`, "", auth.CodeTokenMalformed},
		{"header is no base64", "!!!." + parts[1] + "." + parts[2], "", auth.CodeTokenMalformed},
		{"payload with padding", parts[0] + "." + parts[1] + "==." + parts[2], "", auth.CodeTokenMalformed},
		{"header is no JSON", raw(t, chatSecret, "hello", string(chatJSON)), "", auth.CodeTokenMalformed},
		{"header is a list", raw(t, chatSecret, `["HS256"]`, string(chatJSON)), "", auth.CodeTokenMalformed},
		{"payload is no JSON", raw(t, chatSecret, `{"alg":"HS256"}`, "hello"), "", auth.CodeTokenMalformed},
		{"payload is a list", raw(t, chatSecret, `{"alg":"HS256"}`, "[]"), "", auth.CodeTokenMalformed},
		{"payload is null", raw(t, chatSecret, `{"alg":"HS256"}`, "null"), "", auth.CodeTokenIssuer},
		{"too large", chat(c{"x": strings.Repeat("x", 20000)}), "", auth.CodeTokenMalformed},
		{"critical header", sign(t, jwt.SigningMethodHS256, []byte(chatSecret), chatClaims(), c{"crit": []string{"b64"}, "b64": false}), "", auth.CodeTokenMalformed},
		{"kid is a number", sign(t, jwt.SigningMethodHS256, []byte(chatSecret), chatClaims(), c{"kid": 1}), "", auth.CodeTokenMalformed},
		{"kid is huge", sign(t, jwt.SigningMethodHS256, []byte(chatSecret), chatClaims(), c{"kid": strings.Repeat("k", 300)}), "", auth.CodeTokenMalformed},

		// Algorithms.
		{"none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, chatClaims(), nil), "", auth.CodeTokenAlgorithm},
		{"None", b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".", "", auth.CodeTokenAlgorithm},
		{"NONE with a signature", b64([]byte(`{"alg":"NONE"}`)) + "." + parts[1] + "." + parts[2], "", auth.CodeTokenAlgorithm},
		{"no algorithm", raw(t, chatSecret, `{}`, string(chatJSON)), "", auth.CodeTokenAlgorithm},
		{"algorithm is a list", raw(t, chatSecret, `{"alg":["HS256"]}`, string(chatJSON)), "", auth.CodeTokenAlgorithm},
		{"algorithm in lower case", raw(t, chatSecret, `{"alg":"hs256"}`, string(chatJSON)), "", auth.CodeTokenAlgorithm},
		{"HS384", sign(t, jwt.SigningMethodHS384, []byte(chatSecret), chatClaims(), nil), "", auth.CodeTokenAlgorithm},
		{"HS512", sign(t, jwt.SigningMethodHS512, []byte(chatSecret), chatClaims(), nil), "", auth.CodeTokenAlgorithm},
		{"RS512", sign(t, jwt.SigningMethodRS512, keys()["rsa"], sessionClaims(), c{"kid": "rsa"}), "", auth.CodeTokenAlgorithm},
		{"PS256", sign(t, jwt.SigningMethodPS256, keys()["rsa"], sessionClaims(), c{"kid": "rsa"}), "", auth.CodeTokenAlgorithm},
		{"ES384", sign(t, jwt.SigningMethodES384, keys()["ec384"], sessionClaims(), c{"kid": "ec384"}), "", auth.CodeTokenAlgorithm},
		{"RS256 with another type of key's id", sign(t, jwt.SigningMethodRS256, keys()["rsa"], sessionClaims(), c{"kid": "ec"}), "", auth.CodeTokenAlgorithm},
		{"public key as secret, PEM", hs256(t, publicPEM, sessionClaims()), "", auth.CodeTokenSignature},
		{"public key as secret, DER", hs256(t, publicDER, sessionClaims()), "", auth.CodeTokenSignature},
		{"public key as secret, with its kid", sign(t, jwt.SigningMethodHS256, []byte(publicPEM), sessionClaims(), c{"kid": "rsa"}), "", auth.CodeTokenSignature},

		// Signatures.
		{"no signature", parts[0] + "." + parts[1] + ".", "", auth.CodeTokenSignature},
		{"another's signature", parts[0] + "." + parts[1] + "." + strings.Split(chat(c{"sub": "x"}), ".")[2], "", auth.CodeTokenSignature},
		{"changed claims", parts[0] + "." + b64([]byte(strings.Replace(string(chatJSON), acme, other, 1))) + "." + parts[2], "", auth.CodeTokenSignature},
		{"signature cut short", good[:len(good)-11], "", auth.CodeTokenSignature},
		{"another secret", hs256(t, "not the secret", chatClaims()), "", auth.CodeTokenSignature},
		{"empty secret", sign(t, jwt.SigningMethodHS256, []byte{}, chatClaims(), nil), "", auth.CodeTokenSignature},
		{"secret with a space", hs256(t, chatSecret+" ", chatClaims()), "", auth.CodeTokenSignature},
		{"another key, a known kid", sign(t, jwt.SigningMethodEdDSA, keys()["new"], sessionClaims(), c{"kid": "ed"}), "", auth.CodeTokenSignature},
		{"another key, no kid", sign(t, jwt.SigningMethodEdDSA, keys()["new"], sessionClaims(), nil), "", auth.CodeTokenSignature},
		{"a key that it brings along", bringsKey(t), "", auth.CodeTokenKey},
		{"a key address that it brings along", sign(t, jwt.SigningMethodEdDSA, keys()["new"], sessionClaims(), c{"kid": "mine", "jku": "https://evil.example/keys"}), "", auth.CodeTokenKey},
		{"unknown kid", es256("nobody", nil), "", auth.CodeTokenKey},
		{"kid is a path", es256("../../../dev/null", nil), "", auth.CodeTokenKey},
		{"kid is SQL", es256("' union select 'x", nil), "", auth.CodeTokenKey},
		{"RSA key of 1024 bits is not taken", sign(t, jwt.SigningMethodRS256, keys()["weak"], sessionClaims(), c{"kid": "weak"}), "", auth.CodeTokenKey},

		// Times.
		{"expired", chat(c{"exp": past}), "", auth.CodeTokenExpired},
		{"expired just now", chat(c{"exp": start.Add(-30 * time.Second).Unix()}), "", auth.CodeTokenExpired},
		{"exp is 0", chat(c{"exp": 0}), "", auth.CodeTokenExpired},
		{"exp is a text", chat(c{"exp": fmt.Sprint(future)}), "", auth.CodeTokenClaims},
		{"exp is null", raw(t, chatSecret, `{"alg":"HS256"}`, `{"workspace_id":"w","exp":null}`), "", auth.CodeTokenClaims},
		{"exp is negative", chat(c{"exp": -1}), "", auth.CodeTokenClaims},
		{"exp overflows", chat(c{"exp": math.MaxFloat64}), "", auth.CodeTokenClaims},
		{"not before", chat(c{"nbf": future}), "", auth.CodeTokenNotActive},
		{"iat is a text", chat(c{"iat": "now"}), "", auth.CodeTokenClaims},
		{"session not before", session(c{"nbf": future}), "", auth.CodeTokenNotActive},
		{"session expired", session(c{"exp": past}), "", auth.CodeTokenExpired},
		{"session without exp", session(c{"exp": nil}), "", auth.CodeTokenClaims},

		// For others.
		{"another issuer", chat(c{"iss": "somebody"}), "", auth.CodeTokenIssuer},
		{"no issuer", chat(c{"iss": nil}), "", auth.CodeTokenIssuer},
		{"issuer is a list", chat(c{"iss": []string{"chatengine"}}), "", auth.CodeTokenIssuer},
		{"another audience", chat(c{"aud": "billing"}), "", auth.CodeTokenAudience},
		{"no audience", chat(c{"aud": nil}), "", auth.CodeTokenAudience},
		{"audience is an object", chat(c{"aud": c{"crm": true}}), "", auth.CodeTokenAudience},
		{"audience has a number", chat(c{"aud": []any{"crm", 1}}), "", auth.CodeTokenAudience},
		{"session of another audience", session(c{"aud": "crm"}), "", auth.CodeTokenAudience},
		{"session of another project", session(c{"iss": "https://evil.supabase.co/auth/v1"}), "", auth.CodeTokenIssuer},
		{"anon key", session(c{"role": "anon", "sub": nil}), "", auth.CodeTokenRole},
		{"service key", session(c{"role": "service_role", "sub": nil}), "", auth.CodeTokenRole},

		// Whose.
		{"no workspace claim", chat(c{"workspace_id": nil}), "", auth.CodeWorkspaceMissing},
		{"empty workspace claim", chat(c{"workspace_id": ""}), "", auth.CodeWorkspaceMissing},
		{"workspace is a fraction", chat(c{"workspace_id": 7.5}), "", auth.CodeTokenClaims},
		{"workspace is a negative number", chat(c{"workspace_id": -7}), "", auth.CodeTokenClaims},
		{"workspace is a number with an exponent", raw(t, chatSecret, `{"alg":"HS256"}`, `{"iss":"chatengine","aud":"crm","workspace_id":1e3}`), "", auth.CodeTokenClaims},
		{"workspace is 0", chat(c{"workspace_id": 0}), "", auth.CodeWorkspaceMissing},
		{"workspace is true", chat(c{"workspace_id": true}), "", auth.CodeTokenClaims},
		{"workspace is a huge number", raw(t, chatSecret, `{"alg":"HS256"}`, `{"iss":"chatengine","aud":"crm","workspace_id":1`+strings.Repeat("0", 300)+`}`), "", auth.CodeWorkspaceInvalid},
		{"workspace is an object", chat(c{"workspace_id": c{"id": acme}}), "", auth.CodeTokenClaims},
		{"workspace is a list", chat(c{"workspace_id": []string{acme, other}}), "", auth.CodeTokenClaims},
		{"workspace with NUL", chat(c{"workspace_id": acme + "\x00"}), "", auth.CodeWorkspaceInvalid},
		{"workspace is huge", chat(c{"workspace_id": strings.Repeat("w", 300)}), "", auth.CodeWorkspaceInvalid},
		{"user is a fraction", chat(c{"sub": 7.5}), "", auth.CodeTokenClaims},
		{"user with a line break", chat(c{"sub": "a\nb"}), "", auth.CodeTokenClaims},
		{"session without sub", session(c{"sub": nil}), "", auth.CodeTokenClaims},
		{"session with empty sub", session(c{"sub": ""}), "", auth.CodeTokenClaims},
		{"session with user_id for sub", session(c{"sub": nil, "user_id": alice}), "", auth.CodeTokenClaims},
		{"session, workspace not named", session(nil), "-", auth.CodeWorkspaceMissing},
		{"session, workspace with NUL", session(nil), "a\x00b", auth.CodeWorkspaceInvalid},
		{"session, another's workspace", session(nil), other, auth.CodeNotMember},
		{"session, workspace claim of its own", session(c{"workspace_id": other}), other, auth.CodeNotMember},
		{"session, workspace claim of its own, not named", session(c{"workspace_id": other}), "-", auth.CodeNotMember},
		{"session, workspace claim that is none", session(c{"workspace_id": []string{acme}}), "-", auth.CodeWorkspaceMissing},
		{"session, workspace in another case", session(nil), strings.ToUpper(acme), auth.CodeNotMember},
		{"session, workspace with a space", session(nil), acme + " ", auth.CodeNotMember},
		{"session of a stranger", session(c{"sub": "22222222-2222-4222-8222-222222222222"}), "", auth.CodeNotMember},
	}
}

// bringsKey returns a token with its own public key in the header `jwk`.
func bringsKey(t *testing.T) string {
	t.Helper()
	return sign(t, jwt.SigningMethodEdDSA, keys()["new"], sessionClaims(), c{"kid": "mine", "jwk": jwk("new").with(c{"kid": "mine"})})
}

func publicKeyForms(t *testing.T) (asPEM, asDER string) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(keys()["rsa"].Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), string(der)
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	p := newProject(t, "rsa", "ec", "ed", "weak", "ec384")
	clock := newClock()
	a := newAuth(t, auth.Options{
		ChatEngineSecrets: []string{chatSecret}, SupabaseSecrets: []string{projectSecret}, JWKSURL: p.URL,
		Issuers: []string{"chatengine"}, Audiences: []string{"crm"},
		SupabaseIssuers: []string{"https://ref.supabase.co/auth/v1"}, SupabaseAudiences: []string{"authenticated"},
		Members: &members{}, MembersTTL: time.Minute, Leeway: 30 * time.Second, Now: clock.now,
	})
	tokens := badTokens(t)
	if len(tokens) < 40 {
		t.Fatalf("only %d bad tokens", len(tokens))
	}
	want := map[string]uint64{}
	for _, b := range tokens {
		workspace := map[string]string{"": acme, "-": ""}[b.workspace]
		if b.workspace != "" && b.workspace != "-" {
			workspace = b.workspace
		}
		if b.code == auth.CodeTokenKey {
			// It leads to a reading of the keys, which the next may not repeat
			// at once.
			clock.forward(10 * time.Second)
		}
		p, err := authenticate(t, a, b.token, workspace)
		if got := code(t, err); got != b.code {
			t.Errorf("%s: %s (%v), want %s", b.name, got, err, b.code)
		}
		if p != (auth.Principal{}) {
			t.Errorf("%s: a principal came with the refusal: %+v", b.name, p)
		}
		if err != nil && len(b.token) > 20 && strings.Contains(err.Error(), b.token[len(b.token)-20:]) {
			t.Errorf("%s: the error holds the token", b.name)
		}
		want[b.code]++
	}
	stats := a.Stats()
	for code, n := range stats.Refused {
		if n != want[code] {
			t.Errorf("counted %d refusals with %s, want %d", n, code, want[code])
		}
		if want[code] == 0 {
			t.Errorf("no bad token has the code %s", code)
		}
	}
	if stats.ChatEngine != 0 || stats.Supabase != 0 || stats.Unavailable != 0 {
		t.Errorf("stats: %+v", stats)
	}
}
