package gateway

import "net/http"

// answers reports whether the bridge has an answer to a request that is not on the
// Socket.IO path.
func (g *Gateway) answers(r *http.Request) bool { return g.opts.Rest != nil && g.opts.Rest.Answers(r) }

// stepsIn reports whether the bridge answers a request if ChatEngine fails it: one that
// only reads, so that it does no harm if ChatEngine has done it too.
func (g *Gateway) stepsIn(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && g.answers(r) && g.Status().Mode != HoldUpstream
}

// isAway reports whether a status is that of something in front of ChatEngine which
// does not reach it.
func isAway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
