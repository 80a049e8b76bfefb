//go:build !linux

package engineio

// poller is not to be had here: a goroutine waits for each connection.
type poller struct{}

func newPoller(*Server) *poller              { return nil }
func (*poller) watch(*wsConn, *Session) bool { return false }
func (*poller) remove(*wsConn)               {}
func (*poller) close()                       {}
