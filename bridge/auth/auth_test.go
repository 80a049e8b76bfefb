package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/golang-jwt/jwt/v5"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	chatSecret    = "chatengine-secret-of-thirty-two-bytes!"
	projectSecret = "supabase-secret-of-thirty-two-bytes-!!"
	alice         = "11111111-1111-4111-8111-111111111111"
	acme          = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	other         = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
)

// start is the time of all tests' clocks.
var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// clock is a clock that only moves when told to.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(start.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) forward(d time.Duration) { c.nanos.Add(int64(d)) }

// members knows alice in acme, and counts the questions.
type members struct {
	asked, batches atomic.Int64
	fail, gone     atomic.Bool
	gate           chan struct{} // where not nil, an answer waits for it
}

func (m *members) Find(ctx context.Context, user, workspace string) (string, error) {
	m.asked.Add(1)
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if m.fail.Load() {
		return "", errors.New("the database is away")
	}
	if user == alice && workspace == acme && !m.gone.Load() {
		return acme, nil
	}
	return "", nil
}

// Existing asks Find.
func (m *members) Existing(ctx context.Context, of []auth.Membership) (existing []auth.Membership, err error) {
	m.batches.Add(1)
	for _, one := range of {
		found, err := m.Find(ctx, one.User, one.Workspace)
		if err != nil {
			return nil, err
		}
		if found != "" {
			existing = append(existing, one)
		}
	}
	return existing, nil
}

// keys are the test project's key pairs, made once: RSA takes its time.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	weak, err2 := rsa.GenerateKey(rand.Reader, 1024)
	ec, err3 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ec384, err4 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, err5 := ed25519.GenerateKey(rand.Reader)
	_, ed2, err6 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"rsa": rsaKey, "weak": weak, "ec": ec, "ec384": ec384, "ed": ed, "new": ed2}
})

// project publishes keys as a Supabase project does.
type project struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []c
	status  int
	body    string // instead of the keys
	fetches atomic.Int64
}

func newProject(t *testing.T, ids ...string) *project {
	t.Helper()
	p := &project{status: http.StatusOK}
	p.publish(ids...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.status == http.StatusFound {
			http.Redirect(w, r, "/elsewhere", p.status)
			return
		}
		w.WriteHeader(p.status)
		if p.body != "" {
			_, _ = w.Write([]byte(p.body))
			return
		}
		_ = json.NewEncoder(w).Encode(c{"keys": p.keys})
	}))
	t.Cleanup(p.Close)
	return p
}

// publish makes the keys with these names the published ones.
func (p *project) publish(ids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = nil
	for _, id := range ids {
		p.keys = append(p.keys, jwk(id).with(c{"use": "sig"}))
	}
}

// jwk is the public key with this name as a JSON Web Key.
func jwk(id string) c {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := keys()[id].Public().(type) {
	case *rsa.PublicKey:
		return c{"kid": id, "kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		n := (len(point) - 1) / 2
		return c{"kid": id, "kty": "EC", "crv": key.Params().Name, "x": b64(point[1 : 1+n]), "y": b64(point[1+n:])}
	case ed25519.PublicKey:
		return c{"kid": id, "kty": "OKP", "crv": "Ed25519", "x": b64(key)}
	}
	panic("no such type of key")
}

func (p *project) answer(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, body
}

func newAuth(t *testing.T, o auth.Options) *auth.Authenticator {
	t.Helper()
	if o.Now == nil {
		o.Now = newClock().now
	}
	a, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// c is claims; with returns a copy of it with some changed, nil to leave out.
type c map[string]any

func (base c) with(changes c) c {
	out := maps.Clone(base)
	for name, v := range changes {
		if v == nil {
			delete(out, name)
			continue
		}
		out[name] = v
	}
	return out
}

func chatClaims() c {
	return c{"workspace_id": acme, "sub": "u1", "iss": "chatengine", "aud": "crm", "exp": start.Add(time.Hour).Unix(), "iat": start.Unix()}
}

func sessionClaims() c {
	return c{
		"sub": alice, "role": "authenticated", "aud": "authenticated", "iss": "https://ref.supabase.co/auth/v1",
		"exp": start.Add(time.Hour).Unix(), "iat": start.Unix(), "session_id": "s", "is_anonymous": false,
	}
}

// sign makes a token by any method and key; header adds to the header.
func sign(t *testing.T, method jwt.SigningMethod, key any, claims c, header c) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	maps.Copy(token.Header, header)
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hs256(t *testing.T, secret string, claims c) string {
	return sign(t, jwt.SigningMethodHS256, []byte(secret), claims, nil)
}

// raw makes a token of raw header and payload with an HS256 signature that is
// right, so that nothing but the content can be the reason to refuse it.
func raw(t *testing.T, secret, header, payload string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	sig, err := jwt.SigningMethodHS256.Sign(signed, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(sig)
}

func authenticate(t *testing.T, a *auth.Authenticator, token, workspace string) (auth.Principal, error) {
	t.Helper()
	return a.Authenticate(t.Context(), auth.Credentials{Token: token, Workspace: workspace})
}

// code returns the refusal's code, "" for no error, "unavailable" for that.
func code(t *testing.T, err error) string {
	t.Helper()
	var r *auth.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		if errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("both a refusal and unavailable: %v", err)
		}
		return r.Code
	case errors.Is(err, auth.ErrUnavailable):
		return "unavailable"
	}
	t.Errorf("neither a refusal nor unavailable: %v", err)
	return "?"
}
