package api

import (
	"net/netip"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/socketio/engineio"
)

// ClientInfo is a connected client as the operator sees it: no token, and nothing by
// which somebody could act for it.
type ClientInfo struct {
	// ID is the socket's public id.
	ID              string
	Workspace, User string
	// Address is the client's, invalid for a connection over a Unix socket.
	Address   netip.Addr
	Transport string
	Connected time.Time
	// Load has the client's queue; Paused tells that the client is being caught up.
	engineio.Load
}

// Clients returns the clients that are connected, without the gateway's own feeds, in no
// order. It visits each of them.
func (s *Server) Clients() []ClientInfo {
	var all []ClientInfo
	for socket := range s.io.Namespace(hub.Namespace).Sockets() {
		c, ok := socket.Data().(*client)
		if !ok || c.Feed {
			continue
		}
		all = append(all, ClientInfo{
			ID: socket.ID(), Workspace: c.Workspace, User: c.User, Address: c.address,
			Transport: socket.Transport(), Connected: c.connected, Load: socket.Load(),
		})
	}
	return all
}

// CloseClient closes the transport of the client whose socket has this id, and reports
// whether there is one. The client comes back by itself and is caught up, unless its token
// is refused by then.
func (s *Server) CloseClient(id string) bool {
	for socket := range s.io.Namespace(hub.Namespace).Sockets() {
		if c, ok := socket.Data().(*client); ok && socket.ID() == id {
			s.log.Info("an operator closed a client's connection", "workspace", c.Workspace, "user", c.User, "remote", c.address.String())
			socket.Close(engineio.ServerClose)
			return true
		}
	}
	return false
}
