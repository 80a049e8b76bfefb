package auth

import (
	"net/http"
	"net/netip"
	"strings"
)

// Credentials are what a client presents.
type Credentials struct {
	// Token is the JWT.
	Token string
	// Workspace is the one that the client names. It counts for tokens that
	// carry none, and is ignored for others.
	Workspace string
	// Address is the client's, by which questions about membership are limited;
	// the zero Addr is not.
	Address netip.Addr
}

// Bearer returns the token of an `Authorization: Bearer` header, or "".
func Bearer(h http.Header) string {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
