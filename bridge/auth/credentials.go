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
	// Workspace is the id that the client names. It counts for session tokens, before
	// a workspace in their claims, and is ignored for ChatEngine tokens.
	Workspace string
	// Address is the client's. Questions about membership are limited by address,
	// except for the zero Addr.
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
