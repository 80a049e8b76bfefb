package mutants

// engine: queues are bounded, and the bound counts what is not yet sent.
var engine = []Mutant{
	{
		Name: "engineio: packets do not bound a queue", Why: "one slow client takes the process's memory",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestSlowConsumer"},
		Old: `case s.depth >= l.QueuePackets:`, New: `case s.depth >= 1000*l.QueuePackets:`,
	},
	{
		Name: "engineio: no round writes to a session again", Why: "a busy room takes both processors for small writes",
		File: "socketio/engineio/writer.go", Package: "socketio/engineio", Tests: []string{"TestRoundsAreEarned"},
		Old: "w.began-s.round < againWithin+w.took", New: "false",
	},
	{
		Name: "engineio: bytes do not bound a queue", Why: "one slow client takes the process's memory",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestSlowConsumer"},
		Old: `case s.depth > 0 && s.size+m.Size() > l.QueueBytes:`, New: `case s.depth > 0 && s.size+m.Size() > 1000*l.QueueBytes:`,
	},
	{
		Name: "engineio: what a stalled client has not read is not counted", Why: "its queue grows by what the kernel holds, unseen",
		File: "socketio/engineio/writer.go", Package: "socketio/engineio", Tests: []string{"TestStalledBytesCount"},
		Old: "\ts.addQueued(n, size) // until it is written\n", New: "",
	},
	{
		Name: "engineio: a write that may wait overtakes what was kept", Why: "a client on a slow line gets bytes that cannot be decrypted",
		File: "socketio/engineio/wire_linux.go", Package: "socketio/engineio", Tests: []string{"TestWireWaitsWithFlush"},
		Old: "c.flush(len(c.rest)); err", New: "c.flush(0); err",
	},
	{
		Name: "engineio: what crypto/tls writes by itself is kept without a bound", Why: "a client that asks for new keys and does not read takes the process's memory",
		File: "socketio/engineio/wire_linux.go", Package: "socketio/engineio", Tests: []string{"TestWireIsFull"},
		Old: "c.own > wireMost {", New: "c.own > 10000*wireMost {",
	},
	{
		Name: "engineio: a TLS connection is closed by its own goodbye", Why: "a client that reads nothing keeps its connection, and the end of the server, for seconds or for good",
		File: "socketio/engineio/websocket.go", Package: "socketio/engineio", Tests: []string{"TestStuckTLSIsClosed"},
		Old: "\t\tc.wire.cut(true)\n", New: "",
	},
	{
		Name: "engineio: what is kept does not leave with what is written next", Why: "an answer to new keys waits for the next ping",
		File: "socketio/engineio/wire_linux.go", Package: "socketio/engineio", Tests: []string{"TestWireGoesOn"},
		Old: "n, err := s.trySend(c.raw, c.rest)\n", New: "n, err := s.trySend(c.raw, c.rest[:0])\n",
	},
	{
		Name: "engineio: nobody writes what was kept", Why: "a client on a slow line waits for the end of an event until the next one",
		File: "socketio/engineio/writer.go", Package: "socketio/engineio", Tests: []string{"TestSlowTLS"},
		Old: "whole = ws.wire.kept() == 0", New: "whole = n == len(data)",
	},
	{
		Name: "engineio: what is being drained is not counted", Why: "a slow client's queue holds a batch more at each turn",
		File: "socketio/engineio/drain.go", Package: "socketio/engineio", Tests: []string{"TestStalledBytesCount"},
		Old: "\t\ts.addQueued(n, size) // until it is written\n", New: "",
	},
	{
		Name: "engineio: what is drained is never subtracted", Why: "a client that was slow once is full for good",
		File: "socketio/engineio/drain.go", Package: "socketio/engineio", Tests: []string{"TestStalledBytesCount"},
		Old: "\t\ts.mu.Lock()\n\t\ts.addQueued(-n, -size)\n", New: "\t\ts.mu.Lock()\n",
	},
	{
		Name: "engineio: WaitSpace is not woken by room", Why: "a client that is fed from the log waits for ever",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestSlowReaderLosesNothing"},
		Old: `if s.space != nil && s.hasSpace() {`, New: `if s.space != nil && s.hasSpace() && s.state == stateClosed {`,
	},
	{
		Name: "engineio: WaitSpace is not woken by the close", Why: "a goroutine for each client that left while it was fed",
		File: "socketio/engineio/close.go", Package: "socketio/engineio", Tests: []string{"TestWaitSpaceReturnsWhenClosed"},
		Old: "\tif s.space != nil {\n\t\tclose(s.space)\n\t\ts.space = nil\n\t}\n\tif s.done", New: "\tif s.done",
	},
	{
		Name: "engineio: any packet passes for a pong that never comes", Why: "a client whose pong is behind its packets is cut off",
		File: "socketio/engineio/heartbeat.go", Package: "socketio/engineio", Tests: []string{"TestPongBehindOtherPackets"},
		Old: `alive := max(s.beat.lastPacket, s.beat.lastTaken)`, New: `alive := s.beat.lastTaken`,
	},
	{
		Name: "engineio: a pong does not move the ping", Why: "clients are asked without end, or cut off though they answer",
		File: "socketio/engineio/heartbeat.go", Package: "socketio/engineio", Tests: []string{"TestHeartbeatWebSocket"},
		Old: "\ts.beat.awaiting = false\n", New: "",
	},
	{
		Name: "engineio: a client without pongs lives for ever", Why: "dead connections fill the server",
		File: "socketio/engineio/heartbeat.go", Package: "socketio/engineio", Tests: []string{"TestPingTimeoutPolling", "TestHeartbeatWebSocket"},
		Old: "\t\tif late {\n\t\t\ts.CloseNow(PingTimeout)\n\t\t}\n", New: "",
	},
	{
		Name: "engineio: a ping that was fetched late leaves no time", Why: "on a busy machine clients are cut off that answer at once",
		File: "socketio/engineio/heartbeat.go", Package: "socketio/engineio", Tests: []string{"TestPingFetchedLate"},
		Old: `s.beat.due = max(s.beat.due, s.server.now()+s.server.opts.PingTimeout)`, New: `s.beat.due = max(s.beat.due, s.server.now())`,
	},
	{
		Name: "engineio: only what the kernel has room for is progress", Why: "a slow line is cut off in every large catch-up",
		File: "socketio/engineio/progress.go", Package: "socketio/stress", Tests: []string{"TestSlowLine"},
		Old: "\t\t\t_ = p.set(time.Now().Add(p.session.server.limits.Load().WriteTimeout))\n", New: "\t\t\t_ = p.set\n",
	},
	{
		Name: "engineio: a ping waits behind all that is queued", Why: "a slow client counts the server as dead",
		File: "socketio/engineio/heartbeat.go", Package: "socketio/engineio", Tests: []string{"TestPingBeforeWhatWaits"},
		Old: "\tcopy(s.queue[1:], s.queue)\n\ts.queue[0] = pingMessage\n", New: "",
	},
	{
		Name: "engineio: the limit of an unauthenticated client's message is that of the others", Why: "each anonymous socket takes a megabyte",
		File: "socketio/engineio/read.go", Package: "socketio/stress", Tests: []string{"TestMemoryOfUnauthenticated"},
		Old: `len(b) > limit && len(b) > s.payloadLimit()`, New: `len(b) > 100*limit && len(b) > s.payloadLimit()`,
	},
	{
		Name: "socketio: any packet may come before the CONNECT", Why: "an anonymous socket has attachments kept for it",
		File: "socketio/client.go", Package: "socketio", Tests: []string{"TestPacketsBeforeConnect"},
		Old: `return len(c.sockets) > 0 || !binary && parser.IsConnect(data)`, New: `return len(c.sockets) > 0 || binary || len(data) > 0`,
	},
	{
		Name: "engineio: an unfinished message has no end", Why: "anonymous sockets hold their buffers for the whole connect time-out",
		File: "socketio/engineio/read.go", Package: "socketio/stress", Tests: []string{"TestUnfinishedMessageEnds"},
		Old: "\t\t_ = ws.Conn.SetReadDeadline(time.Now().Add(timeout))\n", New: "",
	},
	{
		Name: "engineio: an address has no share of the handshakes", Why: "a flood from one host keeps everybody out",
		File: "socketio/engineio/admission.go", Package: "socketio/engineio", Tests: []string{"TestShareOfAnAddress"},
		Old: `case !h.handshakes.take(l.HandshakesPerAddress, 0, now):`, New: `case !h.handshakes.take(l.HandshakesPerAddress, 0, now) && h.open < 0:`,
	},
	{
		Name: "engineio: each address of a /64 has a share", Why: "one host of IPv6 has as many shares as it likes",
		File: "internal/clientkey/clientkey.go", Package: "socketio/engineio", Tests: []string{"TestShareOfAnAddress"},
		Old: `netip.PrefixFrom(a, 64)`, New: `netip.PrefixFrom(a, 128)`,
	},
	{
		Name: "engineio: clients that come back have no reserve", Why: "a flood from many hosts keeps those out that were there",
		File: "socketio/engineio/admission.go", Package: "socketio/engineio", Tests: []string{"TestReserve"},
		Old: `reserve := l.HandshakesPerSecond / 4`, New: `reserve := l.HandshakesPerSecond / 400`,
	},
	{
		Name: "engineio: a session whose token is being checked makes room", Why: "a flood of anonymous sockets closes those that log in",
		File: "socketio/engineio/admission.go", Package: "socketio/engineio", Tests: []string{"TestEviction"},
		Old: `case to != Anonymous && s.anonymous != nil:`, New: `case to == Authenticated && s.anonymous != nil:`,
	},
	{
		Name: "engineio: hosts are never forgotten", Why: "memory grows with each address that ever came",
		File: "socketio/engineio/hosts.go", Package: "socketio/engineio", Tests: []string{"TestHostsAreForgotten"},
		Old: "\t\tt.sweep(now)\n", New: "\t\tt.swept = now\n",
	},
	{
		Name: "socketio: CONNECTs are refused without end", Why: "one connection has tokens checked for ever",
		File: "socketio/connect.go", Package: "socketio/stress", Tests: []string{"TestRefusedConnects"},
		Old: `last := c.refused >= maxRefused`, New: `last := c.refused >= 100*maxRefused`,
	},
	{
		Name: "engineio: inbound packets are not rate-limited", Why: "one client takes a core",
		File: "socketio/engineio/session.go", Package: "socketio/engineio", Tests: []string{"TestInboundRate"},
		Old: "\tif !allowed {\n", New: "\tif !allowed && s.server == nil {\n",
	},
	{
		Name: "engineio: a poll that a proxy repeats is another one", Why: "what the lost answer had is missing, and nobody is told",
		File: "socketio/engineio/polling.go", Package: "socketio/engineio", Tests: []string{"TestARepeatedPollIsAnsweredAgain"},
		Old: `if mark != a.mark {`, New: `if true {`,
	},
	{
		Name: "engineio: polls that look the same are one", Why: "a client whose polls all look the same is given one answer for ever",
		File: "socketio/engineio/polling.go", Package: "socketio/engineio", Tests: []string{"TestPollsThatLookTheSameAreNotRepeated"},
		Old: `if a.differ && mark != "" && mark == a.mark {`, New: `if mark == a.mark {`,
	},
}
