// Package httpclient makes the HTTP clients whose requests carry a credential: none of
// them follows a redirect. net/http would carry the request to the other address with all
// its headers but Authorization and Cookie, so with the service key in apikey too, and what
// answers there would be taken for the one that was asked.
package httpclient

import (
	"fmt"
	"net/http"
	"net/url"
)

// New returns a client over rt, nil for http.DefaultTransport, that follows no redirect: one
// is an answer like any other that is not 2xx.
func New(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, CheckRedirect: last}
}

// Of returns a copy of c that follows no redirect; of nil, New(nil).
func Of(c *http.Client) *http.Client {
	if c == nil {
		return New(nil)
	}
	copied := *c
	copied.CheckRedirect = last
	return &copied
}

func last(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// RedirectError is a redirect that is not followed.
type RedirectError struct {
	// To is where it leads: scheme and host, which have no ids and no secret in them.
	To string
}

// Error says where it leads, and what is not done.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("redirects to %s, which is not followed: what the request carries goes to the configured address alone", e.To)
}

// Redirect returns the redirect that an answer is; nil where it is none.
func Redirect(res *http.Response) *RedirectError {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	to, err := res.Location()
	if err != nil {
		return &RedirectError{To: "nowhere"}
	}
	return &RedirectError{To: to.Scheme + "://" + to.Host}
}

// Proxy is http.ProxyFromEnvironment for the transport of a client that a library makes and
// that would follow redirects: such a request fails before anything is dialled.
func Proxy(r *http.Request) (*url.URL, error) {
	if r.Response != nil { // what r follows
		return nil, &RedirectError{To: r.URL.Scheme + "://" + r.URL.Host}
	}
	return http.ProxyFromEnvironment(r)
}
