package engineio

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// refusal maps the reason of a refused request to the response. The codes and texts
// are those of Node's engine.io; the limits have the code of a forbidden request.
func refusal(reason Reason) (status, code int, message string) {
	switch reason {
	case UnknownTransport:
		return http.StatusBadRequest, 0, "Transport unknown"
	case UnknownSession:
		return http.StatusBadRequest, 1, "Session ID unknown"
	case BadMethod:
		return http.StatusBadRequest, 2, "Bad handshake method"
	case ForbiddenOrigin:
		return http.StatusForbidden, 4, "Forbidden"
	case UnsupportedProtocol:
		return http.StatusBadRequest, 5, "Unsupported protocol version"
	case MaxConnections, MaxConnectionsPerAddress, MaxUnauthenticated, MaxUnauthenticatedPerAddress,
		HandshakeRate, HandshakeRatePerAddress:
		return http.StatusServiceUnavailable, 4, "Server at capacity"
	case ShuttingDown:
		return http.StatusServiceUnavailable, 4, "Server is shutting down"
	}
	return http.StatusBadRequest, 3, "Bad request"
}

// logLimit logs once for each limit that it keeps clients away.
func (s *Server) logLimit(reason Reason) {
	switch reason {
	case MaxConnections, MaxConnectionsPerAddress, MaxUnauthenticated, MaxUnauthenticatedPerAddress,
		HandshakeRate, HandshakeRatePerAddress:
		if !s.limitLogged[reason].Swap(true) {
			s.opts.Logger.Warn("a limit keeps clients away; from now on they are counted only", slog.String("reason", reason.String()))
		}
	}
}

// healthChecks are sessions that no server has and health checks ask for, because every
// Socket.IO server answers them alike and opens none: those of load balancers (as
// configs/haproxy and configs/caddy have it), of the gateway and of `bridge check`. They
// are no refusals, and are not counted.
var healthChecks = map[string]bool{"health": true, "bridge-health-probe": true, "bridge-check": true}

// refuse answers a request that is not served, and counts it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, reason Reason) {
	s.refusals[reason].Add(1)
	s.logLimit(reason)
	s.answer(w, r, reason)
}

// answer answers a request that is not served.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, reason Reason) {
	if r.Body != http.NoBody {
		// The HTTP server reads some of an unread body, to keep the connection: this
		// bounds the time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTime))
	}
	status, code, message := refusal(reason)
	h := w.Header()
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	body := message
	if websocket.IsWebSocketUpgrade(r) {
		// Browsers hide the body of a failed WebSocket; Node sends plain text.
		h.Set("Content-Type", "text/html")
		h.Set("Connection", "close")
	} else {
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		body = `{"code":` + strconv.Itoa(code) + `,"message":` + strconv.Quote(message) + `}`
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may be gone: nothing depends on it
}
