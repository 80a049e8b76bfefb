package auth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/auth"

	"github.com/golang-jwt/jwt/v5"
)

func session(t *testing.T, kid string) string {
	return sign(t, jwt.SigningMethodEdDSA, keys()[kid], sessionClaims(), c{"kid": kid})
}

func keyAuth(t *testing.T, p *project, clock *clock) *auth.Authenticator {
	return newAuth(t, auth.Options{JWKSURL: p.URL, Members: &members{}, MembersTTL: time.Minute, Now: clock.now})
}

// A new key is found by the first token that names it; tokens of the old one
// go on until it is withdrawn.
func TestRotation(t *testing.T) {
	t.Parallel()
	p, clock := newProject(t, "ed"), newClock()
	a := keyAuth(t, p, clock)
	expect := func(kid, want string) {
		t.Helper()
		if _, err := authenticate(t, a, session(t, kid), acme); code(t, err) != want {
			t.Errorf("%s: %v, want %q", kid, err, want)
		}
	}
	expect("ed", "")
	p.publish("ed", "new")
	clock.forward(10 * time.Second)
	expect("new", "")
	expect("ed", "")
	p.publish("new")
	clock.forward(25 * time.Hour) // older than keys are believed: read again
	if _, err := authenticate(t, a, session(t, "ed"), acme); code(t, err) != "unavailable" {
		t.Errorf("withdrawn key, right after a reading: %v", err)
	}
	clock.forward(10 * time.Second)
	expect("ed", auth.CodeTokenKey)
	if n := p.fetches.Load(); n != 4 {
		t.Errorf("%d readings, want 4", n)
	}
}

// Forged key ids cannot be used to flood the project, and while they try
// nobody is refused for good whose key may be new.
func TestUnknownKeysDoNotFlood(t *testing.T) {
	t.Parallel()
	p, clock := newProject(t, "ed"), newClock()
	a := keyAuth(t, p, clock)
	if _, err := authenticate(t, a, session(t, "ed"), acme); err != nil {
		t.Fatal(err)
	}
	clock.forward(10 * time.Second)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for i := range 20 {
				token := sign(t, jwt.SigningMethodEdDSA, keys()["new"], sessionClaims(), c{"kid": strings.Repeat("k", i+1)})
				if _, err := authenticate(t, a, token, acme); err == nil {
					t.Error("a forged token was accepted")
				}
			}
		})
	}
	wg.Wait()
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("1000 forged tokens led to %d readings, want 1", n-1)
	}
	if _, err := authenticate(t, a, session(t, "new"), acme); code(t, err) != "unavailable" {
		t.Errorf("a key that may be new: %v", err)
	}
	if _, err := authenticate(t, a, session(t, "ed"), acme); err != nil {
		t.Errorf("a known key: %v", err)
	}
	p.publish("ed", "new")
	clock.forward(10 * time.Second)
	if _, err := authenticate(t, a, session(t, "new"), acme); err != nil {
		t.Errorf("the new key, after the pause: %v", err)
	}
}

// While the keys cannot be read, those that are known serve for a day.
func TestKeysUnreadable(t *testing.T) {
	t.Parallel()
	broken := []struct {
		name, body string
		status     int
	}{
		{"error", "", http.StatusInternalServerError},
		{"not found", "", http.StatusNotFound},
		{"redirect", "", http.StatusFound},
		{"not JSON", "<html>", http.StatusOK},
		{"no set", `{"key": 1}`, http.StatusOK},
		{"too large", `{"keys": [` + strings.Repeat(" ", 2<<20) + `]}`, http.StatusOK},
	}
	for _, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, clock := newProject(t, "ed"), newClock()
			p.answer(tt.status, tt.body)
			a := keyAuth(t, p, clock)
			for range 3 {
				if _, err := authenticate(t, a, session(t, "ed"), acme); code(t, err) != "unavailable" {
					t.Errorf("no keys: %v", err)
				}
			}
			if n := p.fetches.Load(); n != 1 {
				t.Errorf("%d readings at once, want 1", n)
			}
			p.answer(http.StatusOK, "")
			clock.forward(10 * time.Second)
			if _, err := authenticate(t, a, session(t, "ed"), acme); err != nil {
				t.Errorf("keys can be read: %v", err)
			}
			p.answer(tt.status, tt.body)
			clock.forward(23 * time.Hour)
			long := func(kid string) string {
				return sign(t, jwt.SigningMethodEdDSA, keys()[kid], sessionClaims().with(c{"exp": start.Add(100 * time.Hour).Unix()}), c{"kid": kid})
			}
			if _, err := authenticate(t, a, long("ed"), acme); err != nil {
				t.Errorf("known keys after 23 h: %v", err)
			}
			if _, err := authenticate(t, a, long("new"), acme); code(t, err) != "unavailable" {
				t.Errorf("an unknown key: %v", err)
			}
			if s := a.Stats().Keys; s.Error == "" || s.Keys != 1 || s.Failures != 2 {
				t.Errorf("stats: %+v", s)
			}
			clock.forward(2 * time.Hour)
			if _, err := authenticate(t, a, long("ed"), acme); code(t, err) != "unavailable" {
				t.Errorf("keys of 25 h ago: %v", err)
			}
		})
	}
}

// An empty set after a filled one is a failed reading: the keys that are known serve
// on, and are read again until there are some. A project that never had any has none.
func TestEmptiedKeys(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": `{"keys":[]}`, "none that can be used": `{"keys":[{"kty":"oct","kid":"ed","k":"c2VjcmV0"},{"kty":"none"}]}`,
	} {
		p, clock := newProject(t, "ed"), newClock()
		a := keyAuth(t, p, clock)
		ask := func(kid, want string) {
			t.Helper()
			long := sign(t, jwt.SigningMethodEdDSA, keys()[kid], sessionClaims().with(c{"exp": start.Add(100 * time.Hour).Unix()}), c{"kid": kid})
			if _, err := authenticate(t, a, long, acme); code(t, err) != want {
				t.Errorf("%s: %s: %v, want %q", name, kid, err, want)
			}
		}
		ask("ed", "")
		p.answer(http.StatusOK, body)
		clock.forward(10 * time.Second)
		ask("new", "unavailable") // leads to a reading
		ask("ed", "")
		if s := a.Stats().Keys; s.Keys != 1 || s.Failures != 1 || s.Error == "" {
			t.Errorf("%s: stats %+v", name, s)
		}
		p.answer(http.StatusOK, "")
		clock.forward(10 * time.Second)
		ask("new", auth.CodeTokenKey)
		if s := a.Stats().Keys; s.Error != "" {
			t.Errorf("%s: afterwards %+v", name, s)
		}
		// After a day they are not used any more, and the set counts as it is.
		p.answer(http.StatusOK, body)
		clock.forward(25 * time.Hour)
		ask("ed", "unavailable") // read a moment ago
		clock.forward(10 * time.Second)
		ask("ed", auth.CodeTokenKey)
	}
	p, clock := newProject(t), newClock()
	p.answer(http.StatusOK, `{"keys":[]}`)
	a := keyAuth(t, p, clock)
	if _, err := authenticate(t, a, session(t, "ed"), acme); code(t, err) != "unavailable" { // they were read a moment ago
		t.Error(err)
	}
	clock.forward(10 * time.Second)
	if _, err := authenticate(t, a, session(t, "ed"), acme); code(t, err) != auth.CodeTokenKey {
		t.Errorf("a project without keys: %v", err)
	}
}

// What does not belong in a published set is passed over, and does not spoil
// the rest.
func TestOddKeys(t *testing.T) {
	t.Parallel()
	text := func(k c) string {
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	seed := keys()["new"].(ed25519.PrivateKey).Seed()
	private := text(jwk("new").with(c{"d": base64.RawURLEncoding.EncodeToString(seed)}))
	encrypting := text(jwk("new").with(c{"use": "enc"}))
	mislabelled := text(jwk("new").with(c{"alg": "HS256"}))
	p, clock := newProject(t), newClock()
	p.answer(http.StatusOK, `{"keys": [null, 7, {"kty":"oct","kid":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}, {"kty":"EC"}, {"kty":"none"},`+
		private+`,`+encrypting+`,`+mislabelled+`,`+text(jwk("ed"))+`]}`)
	a := keyAuth(t, p, clock)
	if _, err := authenticate(t, a, session(t, "ed"), acme); err != nil {
		t.Error(err)
	}
	clock.forward(10 * time.Second)
	if _, err := authenticate(t, a, session(t, "new"), acme); code(t, err) != auth.CodeTokenKey {
		t.Errorf("a private, an encrypting or a mislabelled key was taken: %v", err)
	}
	oct := sign(t, jwt.SigningMethodHS256, []byte("secret-secret-secret-secret"), sessionClaims(), c{"kid": "oct"})
	if _, err := authenticate(t, a, oct, acme); code(t, err) != auth.CodeTokenAlgorithm {
		t.Errorf("a published secret was taken: %v", err)
	}
	if n := a.Stats().Keys.Keys; n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
}

// A caller that goes away while the keys are read does not spoil the reading
// for those who wait for it.
func TestReadingOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()
	release, arrived := make(chan struct{}), make(chan struct{}, 1)
	p := newProject(t, "ed")
	slow := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		arrived <- struct{}{}
		select {
		case <-release:
			return http.DefaultTransport.RoundTrip(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	})}
	a := newAuth(t, auth.Options{JWKSURL: p.URL, Members: &members{}, Client: slow})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := a.Authenticate(ctx, auth.Credentials{Token: session(t, "ed"), Workspace: acme})
		first <- err
	}()
	<-arrived
	cancel()
	waiting, leave := context.WithCancel(t.Context())
	leave()
	if _, err := a.Authenticate(waiting, auth.Credentials{Token: session(t, "ed"), Workspace: acme}); code(t, err) != "unavailable" {
		t.Errorf("a waiting caller that left: %v", err)
	}
	go func() {
		_, err := a.Authenticate(t.Context(), auth.Credentials{Token: session(t, "ed"), Workspace: acme})
		second <- err
	}()
	close(release)
	if err := <-second; err != nil {
		t.Errorf("a caller that came during the reading: %v", err)
	}
	if err := <-first; code(t, err) != "unavailable" {
		t.Errorf("the first caller, which left: %v", err)
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d readings, want 1", n)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Run reads the keys at once, again every ten minutes, sooner after a
// failure, and ends with its context.
func TestRunKeepsKeysFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		fail, at := true, []time.Duration{}
		begin := time.Now()
		client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			if fail {
				return nil, errors.New("away")
			}
			body := `{"keys":[]}`
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, ContentLength: int64(len(body))}, nil
		})}
		a, err := auth.New(auth.Options{JWKSURL: "http://keys.example", Members: &members{}, Client: client})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		mu.Lock()
		// 0, 1, 3, 7, 15, 31, then every 30 s.
		if len(at) != 8 || at[5] != 31*time.Second || at[7] != 91*time.Second {
			t.Errorf("read at %v", at)
		}
		mu.Unlock()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRunWithoutKeys(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{ChatEngineSecrets: []string{chatSecret}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestFetchKeys(t *testing.T) {
	t.Parallel()
	p := newProject(t, "ed", "rsa", "weak")
	if n, err := auth.FetchKeys(t.Context(), p.Client(), p.URL); n != 2 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	p.answer(http.StatusNotFound, "")
	if _, err := auth.FetchKeys(t.Context(), p.Client(), p.URL); err == nil {
		t.Error("404 is no error")
	}
}
