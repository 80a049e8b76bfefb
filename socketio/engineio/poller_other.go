//go:build !linux || plainread

package engineio

// poller is not supported on this platform: every connection has a blocking reader
// goroutine. The build tag plainread selects the same for bench/fanout.
type poller struct{}

func newPoller(*Server) *poller              { return nil }
func (*poller) watch(*wsConn, *Session) bool { return false }
func (*poller) remove(*wsConn)               {}
func (*poller) close()                       {}
