package bridge

import (
	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
)

// client is one socket: who it is, and how the Hub feeds it.
type client struct {
	*hub.Client
	principal auth.Principal
	expiry    expiry
}

// newClient returns the client of a token that was accepted.
func newClient(principal auth.Principal) *client {
	return &client{
		Client:    &hub.Client{Workspace: principal.Workspace, User: principal.User},
		principal: principal,
	}
}
