package access

import (
	"fmt"
	"strings"
)

// Origins are the web pages that may connect. The zero Origins admit none. They do not
// change, and may be used concurrently.
type Origins struct {
	all       bool
	exact     map[string]bool
	anyPort   map[string]bool // scheme://host
	wildcards []wildcard
}

// wildcard is `https://*.example.app:8443`, split at the asterisk.
type wildcard struct {
	prefix string // https://
	suffix string // .example.app:8443
}

// NewOrigins reads patterns: an exact origin (`https://app.example.com`, as a
// browser sends it: lower case, no default port, no slash at the end), the
// sub-domains of a host (`https://*.example.app`, any depth, the host itself
// not among them), a host with any port or none (`http://localhost:*`, for
// developers), or `*` for all.
func NewOrigins(patterns []string) (*Origins, error) {
	o := &Origins{exact: make(map[string]bool), anyPort: make(map[string]bool)}
	for _, p := range patterns {
		scheme, host, ok := strings.Cut(p, "://")
		switch {
		case p == "*":
			o.all = true
		case !ok || scheme == "" || host == "" || strings.ContainsAny(host, "/?#@"):
			return nil, fmt.Errorf("origin %q: want https://host, https://*.host or *", p)
		case strings.HasPrefix(host, "*."):
			o.wildcards = append(o.wildcards, wildcard{strings.ToLower(scheme) + "://", strings.ToLower(host[1:])})
		case strings.HasSuffix(host, ":*") && strings.Count(host, "*") == 1:
			o.anyPort[strings.ToLower(strings.TrimSuffix(p, ":*"))] = true
		case strings.Contains(host, "*"):
			return nil, fmt.Errorf("origin %q: * can only be the first label of the host or the port", p)
		default:
			o.exact[strings.ToLower(p)] = true
		}
	}
	return o, nil
}

// Allow reports whether the value of an Origin header may connect. `null`,
// which sandboxed pages and files send, is admitted by `*` alone.
func (o *Origins) Allow(origin string) bool {
	if o.all {
		return true
	}
	origin = strings.ToLower(origin)
	if o.exact[origin] {
		return true
	}
	if len(o.anyPort) > 0 && o.anyPort[withoutPort(origin)] {
		return true
	}
	for _, w := range o.wildcards {
		rest, ok := strings.CutPrefix(origin, w.prefix)
		if !ok {
			continue
		}
		if label, ok := strings.CutSuffix(rest, w.suffix); ok && isHost(label) {
			return true
		}
	}
	return false
}

// withoutPort cuts a port, digits only, off an origin.
func withoutPort(origin string) string {
	at := strings.LastIndexByte(origin, ':')
	if at < 0 || at+1 == len(origin) || strings.Trim(origin[at+1:], "0123456789") != "" {
		return origin
	}
	return origin[:at]
}

// isHost reports whether s has only what the labels of a host have, and nothing that could
// end the host early: `https://evil.example/.example.app` must not pass.
func isHost(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
