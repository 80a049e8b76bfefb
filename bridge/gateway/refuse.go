package gateway

import (
	"net/http"
	"sync/atomic"

	"chatbridge/bridge/access"
)

// refusal is why the gateway did not pass on a request, or what a client sent through
// its WebSocket, though ChatEngine may be healthy.
type refusal int

const (
	refuseMethod       refusal = iota // CONNECT
	refuseTarget                      // `*`, or another target without a path
	refuseBody                        // the client's body cannot be read
	refuseLarge                       // it is larger than a Socket.IO client's may be
	refusePath                        // leaves the base path of ChatEngine's address
	refuseAddress                     // the client's address is not admitted
	refuseOrigin                      // nor the page's origin
	refuseLoop                        // has been here before
	refuseConnections                 // too many at once
	refuseAddressShare                // too many at once of one address
	refuseRate                        // too many new sessions in a second
	refuseRequests                    // too many of one address in a second that are of no session
	refusePackets                     // too many of a proxied WebSocket in a second, which is closed
	refuseResources                   // the bridge has no descriptor or port left
	refusals
)

// refused is what the refusals are called in metrics, and how they are answered.
var refused = [refusals]struct {
	name   string
	status int
	body   access.Body
}{
	refuseMethod:       {"method", http.StatusMethodNotAllowed, access.Body{Message: "CONNECT is not served here"}},
	refuseTarget:       {"target", http.StatusBadRequest, access.Body{Message: "the request's target is not a path"}},
	refuseBody:         {"body", http.StatusBadRequest, access.Body{Message: "the request's body cannot be read"}},
	refuseLarge:        {"payload", http.StatusRequestEntityTooLarge, access.Body{Message: "the request's body is too large"}},
	refusePath:         {"path", http.StatusBadRequest, access.Body{Message: "the path leads out of what is served here"}},
	refuseAddress:      {"address", http.StatusForbidden, access.Body{Message: "this address is not admitted"}},
	refuseOrigin:       {"origin", http.StatusForbidden, access.Body{Code: 4, Message: "Forbidden"}},
	refuseLoop:         {"loop", http.StatusLoopDetected, access.Body{Message: "gateway.upstream leads back to this bridge"}},
	refuseConnections:  {"connections", http.StatusServiceUnavailable, access.Body{Code: 4, Message: "Server at capacity"}},
	refuseAddressShare: {"connections_per_address", http.StatusServiceUnavailable, access.Body{Code: 4, Message: "Server at capacity"}},
	refuseRate:         {"handshakes_per_second", http.StatusServiceUnavailable, access.Body{Code: 4, Message: "Server at capacity"}},
	refuseRequests:     {"requests_per_address", http.StatusTooManyRequests, access.Body{Message: "too many requests from this address"}},
	refusePackets:      {name: "packets_per_second"},
	refuseResources:    {"resources", http.StatusServiceUnavailable, access.Body{Message: "this server has no room for another connection"}},
}

func (r refusal) String() string { return refused[r].name }

// refusalCounters count the refusals, and remember which have been logged.
type refusalCounters struct {
	counts [refusals]atomic.Uint64
	logged [refusals]atomic.Bool
}

// first counts a refusal, and reports whether it is the first of its kind.
func (c *refusalCounters) first(why refusal) bool {
	c.counts[why].Add(1)
	return !c.logged[why].Swap(true)
}

// refuse answers a request that is not passed on, as long as its address does not send
// too many of them.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	if !g.opts.AdmitRequest(r) {
		why = refuseRequests
	}
	g.answerRefusal(w, r, why)
}

func (g *Gateway) answerRefusal(w http.ResponseWriter, r *http.Request, why refusal) {
	g.noteRefusal(why, "client", g.clientAddr(r).String())
	switch why {
	case refuseBody, refuseLarge:
		w.Header().Set("Connection", "close") // the rest of it cannot be told from the next request
	case refuseMethod:
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	access.Answer(w, r, g.opts.AdmitOrigin, refused[why].status, refused[why].body)
}

// noteRefusal counts a refusal, and logs the first of its kind.
func (g *Gateway) noteRefusal(why refusal, attrs ...any) {
	if g.refusals.first(why) {
		g.log.Warn("the gateway did not pass a request on; more of the kind are only counted",
			append([]any{"why", why.String()}, attrs...)...)
	}
}

// notePackets notes that a client was cut off because it sent too much.
func (g *Gateway) notePackets(r *http.Request) {
	if g.refusals.first(refusePackets) {
		g.log.Warn("the gateway closed the WebSocket of a client that sent too much; more of the kind are only counted",
			"why", refusePackets.String(), "client", g.clientAddr(r).String())
	}
}

// noteOwnLack notes that the bridge itself could not open a connection.
func (g *Gateway) noteOwnLack(err error) {
	g.noteRefusal(refuseResources, "error", err,
		"remedy", "raise LimitNOFILE (systemd) or ulimit -n, widen net.ipv4.ip_local_port_range, or lower limits.connections")
}
