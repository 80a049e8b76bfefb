package mutants

// engine: queues are bounded, and the bound counts what is not yet sent.
var engine = []Mutant{
	{
		Name: "engineio: packets do not bound a queue", Why: "one slow client takes the process's memory",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestSlowConsumer"},
		Old: `case s.depth >= l.QueuePackets:`, New: `case s.depth >= 1000*l.QueuePackets:`,
	},
	{
		Name: "engineio: bytes do not bound a queue", Why: "one slow client takes the process's memory",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestSlowConsumer"},
		Old: `case s.depth > 0 && s.size+len(m.frames) > l.QueueBytes:`, New: `case s.depth > 0 && s.size+len(m.frames) > 1000*l.QueueBytes:`,
	},
	{
		Name: "engineio: what a stalled client has not read is not counted", Why: "its queue grows by what the kernel holds, unseen",
		File: "socketio/engineio/writer.go", Package: "socketio/engineio", Tests: []string{"TestStalledBytesCount"},
		Old: "\ts.addQueued(n, size) // until it is written\n", New: "",
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
		Old: `if alive := s.beat.lastPacket + s.server.opts.PingTimeout; alive > now {`, New: `if alive := s.beat.lastPacket + s.server.opts.PingTimeout; alive > now && alive < 0 {`,
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
		Name: "engineio: inbound packets are not rate-limited", Why: "one client takes a core",
		File: "socketio/engineio/session.go", Package: "socketio/engineio", Tests: []string{"TestInboundRate"},
		Old: "\tif !allowed {\n", New: "\tif !allowed && s.server == nil {\n",
	},
}
