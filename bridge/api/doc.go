// Package api is the contract's /api/ws: a Socket.IO server whose clients are
// authenticated, admitted and fed by package hub.
package api
