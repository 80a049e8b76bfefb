package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/internal/httpclient"
	"chatbridge/internal/retry"

	"golang.org/x/sync/singleflight"
)

const (
	// keysInterval is how often Run reads the published keys. A project
	// publishes a new key long before it signs with it.
	keysInterval = 10 * time.Minute
	// keysCooldown is the least time after which an unknown key leads to another
	// reading, so that forged tokens cannot flood the endpoint. A client's five
	// attempts take longer, so one of them sees the new keys.
	keysCooldown = 5 * time.Second
	// keysRetry and keysRetryMost are Run's first and longest pause after failures.
	keysRetry, keysRetryMost = time.Second, 30 * time.Second
	// keysMaxAge is how long keys stay in use while they cannot be read again, and so
	// how long a withdrawn key can still verify tokens.
	keysMaxAge = 24 * time.Hour
	// keysTimeout bounds one reading.
	keysTimeout = 5 * time.Second
	// maxKeysBody bounds what is read of the endpoint's answer, in bytes.
	maxKeysBody = 1 << 20
)

// keySet caches the published keys of a project.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	reading singleflight.Group // always with the key ""

	mu      sync.Mutex // held while keys, read, tried and failure are used
	keys    []publicKey
	read    time.Time // when keys were last read successfully, zero if never
	tried   time.Time // when the last reading began
	failure error     // of the last reading

	fetches, failures atomic.Uint64
}

func newKeySet(url string, client *http.Client, now func() time.Time, log *slog.Logger) *keySet {
	return &keySet{url: url, client: client, now: now, log: log}
}

// run keeps the keys fresh until ctx ends.
func (k *keySet) run(ctx context.Context) {
	pause := keysRetry
	for ctx.Err() == nil {
		wait := keysInterval
		if err := k.refresh(ctx); err != nil {
			wait, pause = pause, min(2*pause, keysRetryMost)
		} else {
			pause = keysRetry
		}
		_ = retry.Sleep(ctx, wait) // the loop checks ctx
	}
}

// verify finds the key that made the token's signature. An unknown key leads to
// another reading, at most once every keysCooldown; in between the error wraps
// ErrUnavailable rather than being a refusal, because the key may be a new one.
func (k *keySet) verify(ctx context.Context, t *token) error {
	keys, err := k.current(ctx)
	if err != nil {
		return err
	}
	if found, err := tryKeys(t, keys); found {
		return err
	}
	if keys, err = k.reread(ctx); err != nil {
		return err
	}
	if found, err := tryKeys(t, keys); found {
		return err
	}
	return refuse(CodeTokenKey, "the token is signed with a key that the project does not publish")
}

// tryKeys looks for the key that the token names or, if it names none, for any key of its
// algorithm. If there is one, found is true, and err says whether it verifies the token.
func tryKeys(t *token, keys []publicKey) (found bool, err error) {
	wrongAlgorithm := false
	for _, key := range keys {
		if t.keyID != "" && key.id != t.keyID {
			continue
		}
		if key.algorithm != t.method.Alg() {
			wrongAlgorithm = t.keyID != ""
			continue
		}
		if t.verifies(key.key) {
			return true, nil
		}
		found = true
	}
	switch {
	case found:
		return true, refuse(CodeTokenSignature, "the token's signature is not right")
	case wrongAlgorithm:
		return true, refuse(CodeTokenAlgorithm, "the token's algorithm is not that of the key it names")
	}
	return false, nil
}

// current returns the known keys, reading them first if there are none or if they are
// older than keysMaxAge.
func (k *keySet) current(ctx context.Context) ([]publicKey, error) {
	k.mu.Lock()
	keys, read := k.keys, k.read
	k.mu.Unlock()
	if !read.IsZero() && k.now().Sub(read) < keysMaxAge {
		return keys, nil
	}
	return k.reread(ctx)
}

// reread reads the keys unless that was tried within keysCooldown. Concurrent callers
// share one reading.
func (k *keySet) reread(ctx context.Context) ([]publicKey, error) {
	keys, err := share(ctx, &k.reading, "", func() ([]publicKey, error) {
		if err := k.tooSoon(); err != nil {
			return nil, err
		}
		return k.fetch(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: read the project's keys: %w", ErrUnavailable, err)
	}
	return keys, nil
}

// refresh reads the keys now and waits for the outcome even if ctx ends. Concurrent
// callers share one reading.
func (k *keySet) refresh(ctx context.Context) error {
	_, err := share(context.WithoutCancel(ctx), &k.reading, "", func() ([]publicKey, error) { return k.fetch(ctx) })
	return err
}

var errReadJustNow = errors.New("they were read a moment ago and the token's is not among them")

// tooSoon returns why the keys must not be read again yet, or nil if they may be.
func (k *keySet) tooSoon() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.tried.IsZero() || k.now().Sub(k.tried) >= keysCooldown:
		return nil
	case k.failure != nil:
		return k.failure
	}
	return errReadJustNow
}

// fetch reads the keys once. Several callers may wait for it, so it does not end with
// the context of the first.
func (k *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	k.mu.Lock()
	k.tried = k.now()
	k.mu.Unlock()
	k.fetches.Add(1)
	keys, err := fetchKeys(ctx, k.client, k.url)
	if err == nil && len(keys) == 0 && k.filled() {
		err = fmt.Errorf("%s answers with no usable key, and had some before", k.url)
	}
	k.record(keys, err)
	return keys, err
}

// filled reports whether known keys are still in use. A project always has keys, so an
// empty set after a filled one counts as a failed reading.
func (k *keySet) filled() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys) > 0 && k.now().Sub(k.read) < keysMaxAge
}

// record stores the outcome of a reading and logs when readings begin to fail or to
// succeed again.
func (k *keySet) record(keys []publicKey, err error) {
	k.mu.Lock()
	before := k.failure
	k.failure = err
	if err == nil {
		k.keys, k.read = keys, k.now()
	}
	k.mu.Unlock()
	switch {
	case err != nil:
		k.failures.Add(1)
		if before == nil {
			k.log.Warn("cannot read the project's keys; those already known are used", "url", k.url, "error", err)
		}
	case before != nil:
		k.log.Info("the project's keys can be read again", "url", k.url, "keys", len(keys))
	}
}

func (k *keySet) stats() KeyStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := KeyStats{Keys: len(k.keys), Fetches: k.fetches.Load(), Failures: k.failures.Load(), Read: k.read}
	if k.failure != nil {
		s.Error = k.failure.Error()
	}
	return s
}

// fetchKeys reads the JSON Web Key Set at url.
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
	if to := httpclient.Redirect(res); to != nil {
		return nil, fmt.Errorf("%s answers %s and %w; set auth.jwks_url to the address that has the keys", url, res.Status, to)
	}
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

// FetchKeys reads the published keys at url once and returns how many of them can be
// used, for a check of the configuration. ctx bounds the time it takes.
func FetchKeys(ctx context.Context, client *http.Client, url string) (int, error) {
	keys, err := fetchKeys(ctx, client, url)
	return len(keys), err
}
