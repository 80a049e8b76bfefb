package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options configures an Authenticator.
type Options struct {
	// ChatEngineSecrets and SupabaseSecrets verify HS256 tokens of their kind.
	// See SetSecrets.
	ChatEngineSecrets, SupabaseSecrets []string
	// JWKSURL is where the Supabase project publishes its public keys; empty
	// for none.
	JWKSURL string
	// In a ChatEngine token `iss` must be one of Issuers, and `aud` must have one of
	// Audiences. An empty list is not checked.
	Issuers, Audiences []string
	// SupabaseIssuers and SupabaseAudiences are the same for session tokens.
	SupabaseIssuers, SupabaseAudiences []string
	// Leeway is the tolerated difference between clocks. Default 0.
	Leeway time.Duration
	// Members is asked about the users of session tokens. It is required with
	// SupabaseSecrets or JWKSURL.
	Members Members
	// MembersTTL is how long an answer of Members, yes or no, is cached. Zero caches
	// nothing.
	MembersTTL time.Duration
	// Client fetches the published keys; New uses a copy that follows no redirects.
	// Default: net/http's settings.
	Client *http.Client
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger gets a line when the published keys can no longer be read, one when
	// they can again, and one the first time that ErrTooManyQuestions occurs. Nil
	// discards.
	Logger *slog.Logger
}

// Validate returns all that is wrong with o, joined, or nil.
func (o Options) Validate() error {
	var errs []error
	if len(o.ChatEngineSecrets) == 0 && len(o.SupabaseSecrets) == 0 && o.JWKSURL == "" {
		errs = append(errs, errors.New("no secret and no address of keys: every token would be refused"))
	}
	errs = append(errs, checkSecrets(o.ChatEngineSecrets), checkSecrets(o.SupabaseSecrets))
	if (len(o.SupabaseSecrets) > 0 || o.JWKSURL != "") && o.Members == nil {
		errs = append(errs, errors.New("session tokens need Members: they carry no workspace"))
	}
	if o.JWKSURL != "" {
		if u, err := url.Parse(o.JWKSURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, errors.New("address of keys is no http or https URL"))
		}
	}
	if o.Leeway < 0 || o.MembersTTL < 0 {
		errs = append(errs, errors.New("leeway or time to remember members is negative"))
	}
	return errors.Join(errs...)
}

// checkSecrets refuses the secrets that would let forgers in: an empty one, and a public
// key, which anybody has (algorithm confusion). A repeated secret is a mistake too.
func checkSecrets(secrets []string) error {
	for i, s := range secrets {
		switch {
		case s == "":
			return fmt.Errorf("secret %d is empty", i+1)
		case strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN"):
			return fmt.Errorf("secret %d is a key in PEM form, not a shared secret", i+1)
		case slices.Contains(secrets[:i], s):
			return fmt.Errorf("secret %d is there twice", i+1)
		}
	}
	return nil
}
