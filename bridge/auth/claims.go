package auth

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
)

// claims are a token's claims by their exact names.
type claims map[string]any

// firstID returns the first of the named claims that is set, as `a || b || c` does in
// JavaScript: null, an empty text and 0 count as not set. A whole number is returned as
// its digits. id is "" if no claim is set; ok is false if the claim is neither a text
// nor a whole number.
func (c claims) firstID(names ...string) (id string, ok bool) {
	for _, name := range names {
		switch v := c[name].(type) {
		case nil:
		case string:
			if v != "" {
				return v, true
			}
		case json.Number:
			if strings.Trim(v.String(), "0123456789") != "" {
				return "", false
			}
			if v != "0" {
				return v.String(), true
			}
		default:
			return "", false
		}
	}
	return "", true
}

// expected is what the claims of a kind of token must be.
type expected struct {
	issuers, audiences []string
	now                time.Time
	leeway             time.Duration
	mustExpire         bool
}

// check checks times, issuer and audience. It returns the expiry, or the zero Time for
// a token that never expires.
func (c claims) check(e expected) (time.Time, error) {
	expires, err := c.checkTimes(e)
	if err != nil {
		return time.Time{}, err
	}
	registered := jwt.MapClaims(c)
	if len(e.issuers) > 0 {
		if iss, err := registered.GetIssuer(); err != nil || !slices.Contains(e.issuers, iss) {
			return time.Time{}, refuse(CodeTokenIssuer, "the token was issued by somebody else")
		}
	}
	if len(e.audiences) > 0 {
		aud, err := registered.GetAudience()
		if err != nil || !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(e.audiences, a) }) {
			return time.Time{}, refuse(CodeTokenAudience, "the token is for another audience")
		}
	}
	return expires, nil
}

func (c claims) checkTimes(e expected) (time.Time, error) {
	var times [3]time.Time
	// iat has to be a time, but is not compared with ours: the issuer's clock may
	// differ. A token that is not valid yet says so in nbf.
	for i, name := range [...]string{"exp", "nbf", "iat"} {
		at, ok := c.time(name)
		if !ok {
			return time.Time{}, refuse(CodeTokenClaims, "the token's "+name+" is not a time")
		}
		times[i] = at
	}
	expires, notBefore := times[0], times[1]
	switch {
	case expires.IsZero() && e.mustExpire:
		return time.Time{}, refuse(CodeTokenClaims, "the token has no exp")
	case !expires.IsZero() && !e.now.Before(expires.Add(e.leeway)):
		return time.Time{}, refuse(CodeTokenExpired, "the token has expired")
	case notBefore.After(e.now.Add(e.leeway)):
		return time.Time{}, refuse(CodeTokenNotActive, "the token is not valid yet: are the clocks right?")
	}
	return expires, nil
}

// latest is the largest NumericDate that is taken for a time: what a float64
// holds exactly.
const latest = 1 << 53

// time reads a NumericDate; an absent claim is the zero Time. A token that never
// expires has no `exp`: a null or a text in its place is an error.
func (c claims) time(name string) (time.Time, bool) {
	v, has := c[name]
	if !has {
		return time.Time{}, true
	}
	n, ok := v.(json.Number)
	f, err := n.Float64()
	if !ok || err != nil || f < 0 || f > latest {
		return time.Time{}, false
	}
	seconds := int64(f)
	return time.Unix(seconds, int64((f-float64(seconds))*1e9)), true
}

// maxID bounds the ids of workspaces and users, in bytes.
const maxID = 256

// validID reports whether s can be an id. Control characters are refused, because they
// separate the ids in an event's route.
func validID(s string) bool {
	return s != "" && len(s) <= maxID && strings.ToValidUTF8(s, "") == s && !strings.ContainsFunc(s, unicode.IsControl)
}
