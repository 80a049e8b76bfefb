package clienttest_test

import (
	"testing"

	"chatbridge/socketio"
)

// TestRecoveryHalfOpen: the same where the server does not notice that the
// client has gone, as with a network that changes: its connection is still
// there when the client comes back.
func TestRecoveryHalfOpen(t *testing.T) {
	recovery(t, func(net *cable, _ *socketio.Socket) { net.cutClients() })
}
