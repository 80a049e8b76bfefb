package mutants

// gateway: a client that comes back to ChatEngine gets what it missed.
var gateway = []Mutant{
	{
		Name: "gateway: ChatEngine's messages are known by their id alone", Why: "what the bridge sent under the row's id is sent again under ChatEngine's",
		File: "bridge/gateway/handover/sent.go", Package: "bridge/gateway/handover", Tests: []string{"TestUnsent"},
		Old: "\t\tif id, ok := s.ids[name]; ok {\n", New: "\t\tif id, ok := s.ids[name]; ok && false {\n",
	},
	{
		Name: "gateway: a page begins anew each time it comes to ChatEngine", Why: "what it had from ChatEngine comes again under the rows' ids",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestClientsBringTheirSince"},
		Old: "if h.since = sinceOf(packet); h.since == \"\" {", New: "if true {",
	},
	{
		Name: "gateway: nothing is covered", Why: "a status that an older one of ChatEngine's follows stays wrong",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestHandoverSendsNothingOlderThanTheBridgesEvents"},
		Old: `h.writeUnsent(time.Now().Add(-h.service.opts.CatchUp))`, New: `h.writeUnsent(time.Time{})`,
	},
	{
		Name: "gateway: all up to now is covered", Why: "ChatEngine's last event is dropped though the bridge has not read it",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestHandoverSendsWhatTheBridgeHasNotRead"},
		Old: `h.writeUnsent(time.Now().Add(-h.service.opts.CatchUp))`, New: `h.writeUnsent(time.Now())`,
	},
	{
		Name: "gateway: a subscription leaves the question open", Why: "the conversation opened during a hand-over lacks its backlog",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestSubscribingAnewAsksAgain"},
		Old: "\th.progress.restart()\n\tif !h.feed.send(packet) {", New: "\tif !h.feed.send(packet) {",
	},
	{
		Name: "gateway: a lost feed leaves the question open", Why: "the bridge's answer of before its restart counts for what it has not sent",
		File: "bridge/gateway/handover/progress.go", Package: "bridge/gateway", Tests: []string{"TestALostFeedAsksAgain"},
		Old: `func (p *progress) lost() { p.state = absent }`, New: `func (p *progress) lost() {}`,
	},
	{
		Name: "gateway: any answer of the bridge's counts", Why: "an answer from before a new subscription ends the hand-over",
		File: "bridge/gateway/handover/progress.go", Package: "bridge/gateway", Tests: []string{"TestHandoverWaitsForTheBridgesAnswer"},
		Old: `p.state == asked && n == p.question`, New: `p.state == asked && n >= 0`,
	},
	{
		Name: "gateway: the question overtakes a subscription", Why: "the bridge answers that all is sent before it knows of the subscription",
		File: "bridge/gateway/handover/feed.go", Package: "bridge/gateway/handover", Tests: []string{"TestTheQuestionComesAfterTheSubscriptions"},
		Old: `case question = <-f.syncs:`,
		New: "case n := <-f.syncs:\n\t\t\t_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, \"42[%q,%d]\", SyncEvent, n))",
	},
	{
		Name: "gateway: a bridge that is behind counts as fresh", Why: "the streams are joined before the bridge has read what was missed",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestHandoverWaitsUntilTheBridgeIsFresh"},
		Old: `h.progress.state == feeding && h.service.opts.Fresh(h.freshFrom)`, New: `h.progress.state == feeding`,
	},
	{
		Name: "gateway: the bridge's texts are not followed", Why: "what becomes of a text that is on its way during the hand-back is told to nobody",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestAfterTheHandoverTheBridgesTexts"},
		Old: "\tcase more:\n", New: "\tcase more && n < 0:\n",
	},
	{
		Name: "gateway: the bridge is asked at once", Why: "the streams are joined although the bridge has sent nothing yet",
		File: "bridge/gateway/handover/progress.go", Package: "bridge/gateway", Tests: []string{"TestTimeCountsFromTheFeed"},
		Old: `p.state == settled && now.Sub(p.settledAt) >= d`, New: `p.state == settled`,
	},
	{
		Name: "gateway: ChatEngine's events wait for ever", Why: "a bridge that is not ready keeps clients of a healthy ChatEngine dark",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestHandoverComesLate"},
		Old: `case h.phase == buffering && now.After(h.bufferUntil):`, New: `case h.phase == passing && now.After(h.bufferUntil):`,
	},
	{
		Name: "gateway: the bridge's events come before ChatEngine's acceptance", Why: "the client drops events of a session it does not have",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestHandover"},
		Old: `	case h.acceptedAt.IsZero():
		h.early`, New: `	case h.giveUpAt.IsZero():
		h.early`,
	},
	{
		Name: "gateway: buffered events are sent when ChatEngine goes", Why: "they come before what was missed, and the order is wrong",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestTheEndsOfAHandover"},
		Old: "\t\th.buffer.take()\n\tdefault:", New: "\t\th.writeUnsent(time.Time{})\n\tdefault:",
	},
	{
		Name: "gateway: a full buffer is dropped without a feed", Why: "events that the bridge does not send are lost",
		File: "bridge/gateway/handover/frames.go", Package: "bridge/gateway", Tests: []string{"TestHandoverGivesUp"},
		Old: `if h.buffer.full() && h.progress.state == absent {`, New: `if h.buffer.full() && h.phase == ended {`,
	},
	{
		Name: "gateway: a full buffer ends the order", Why: "live events overtake those that the bridge is still to send",
		File: "bridge/gateway/handover/frames.go", Package: "bridge/gateway", Tests: []string{"TestHandoverBuffersTheNewest"},
		Old: `if h.buffer.full() && h.progress.state == absent {`, New: `if h.buffer.full() {`,
	},
	{
		Name: "gateway: states before the bridge's last one are unsent", Why: "a status goes back after a hand-back",
		File: "bridge/gateway/handover/sent.go", Package: "bridge/gateway/handover", Tests: []string{"TestUnsent"},
		Old: `if known[subject] || inFeed && e.at.Before(covered) {`, New: `if inFeed && e.at.Before(covered) {`,
	},
	{
		Name: "gateway: any request is evidence", Why: "three requests with a bad chunk take all clients off a healthy ChatEngine",
		File: "bridge/gateway/health.go", Package: "bridge/gateway", Tests: []string{"TestClientsRequestsAreNoEvidence"},
		Old: `	err = g.upstream.tryWebSocket(ctx)
	switch {`, New: `	if err = g.upstream.tryWebSocket(ctx); sessionsFail {
		err = errors.New("a client says so")
	}
	switch {`,
	},
	{
		Name: "gateway: suspicion alone makes a failed probe decisive", Why: "a client that sends what fails turns a single slow probe into a failover",
		File: "bridge/gateway/health.go", Package: "bridge/gateway", Tests: []string{"TestAClientDoesNotMakeOneProbeDecisive"},
		Old: `g.monitor.suspected() && g.confirm(ctx)`, New: `g.monitor.suspected()`,
	},
	{
		Name: "gateway: the bridge's own lack is ChatEngine's failure", Why: "a flood that uses up the descriptors takes all clients off ChatEngine",
		File: "bridge/gateway/upstream.go", Package: "bridge/gateway", Tests: []string{"TestOwnLackIsNoFailure"},
		Old: `if errors.Is(err, lack) || resolving`, New: `if resolving`,
	},
	{
		Name: "gateway: an escaped dot leaves the base path", Why: "a client reaches what is beside ChatEngine's path",
		File: "bridge/gateway/upstream.go", Package: "bridge/gateway", Tests: []string{"TestABasePathIsNotLeft"},
		Old: `if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	depth`, New: `depth`,
	},
	{
		Name: "gateway: any protocol is tunnelled", Why: "by h2c a client sends requests that nothing looks at",
		File: "bridge/gateway/http.go", Package: "bridge/gateway", Tests: []string{"TestOnlyWebSocketsAreTunnelled"},
		Old: `			pr.Out.Header.Del("Upgrade")
`, New: ``,
	},
	{
		Name: "gateway: it passes on what it passed on", Why: "a bridge that is its own ChatEngine uses up all descriptors",
		File: "bridge/gateway/loop.go", Package: "bridge/gateway", Tests: []string{"TestAGatewayThatLeadsToItself"},
		Old: `slices.Contains(r.Header.Values(hopHeader), g.upstream.id)`, New: `slices.Contains(r.Header.Values(hopHeader), "")`,
	},
	{
		Name: "gateway: its own sessions are ChatEngine's", Why: "where the mark is lost on the way, the bridge takes itself for ChatEngine",
		File: "bridge/gateway/upstream.go", Package: "bridge/gateway", Tests: []string{"TestOwnSessionsAreRecognised"},
		Old: `err = u.checkOwn(conn.open.Payload)`, New: `err = nil`,
	},
	{
		Name: "gateway: origins hold behind it alone", Why: "a page that may not connect uses ChatEngine through the gateway",
		File: "bridge/gateway/admission.go", Package: "bridge/gateway", Tests: []string{"TestAddressesAndOriginsHoldInFront"},
		Old: `case !g.opts.AdmitOrigin(r):`, New: `case r.Method == http.MethodConnect && !g.opts.AdmitOrigin(r):`,
	},
	{
		Name: "gateway: an address is not bounded", Why: "one host uses up what is there for all",
		File: "bridge/gateway/admission.go", Package: "bridge/gateway", Tests: []string{"TestLimitsHoldInFront"},
		Old: `a.perAddress[address] >= l.ConnectionsPerAddress`, New: `a.perAddress[address] >= l.Connections`,
	},
	{
		Name: "gateway: any mark is the gateway's", Why: "who sends the header is not counted and not closed",
		File: "bridge/gateway/handover/feed.go", Package: "bridge/api", Tests: []string{"TestAForgedFeedIsAClient"},
		Old: `return subtle.ConstantTimeCompare([]byte(h.Get(Header)), []byte(secret)) == 1`, New: `return subtle.ConstantTimeCompare([]byte(h.Get(Header)), nil) == 0`,
	},
	{
		Name: "gateway: large subscriptions are kept", Why: "a client makes the gateway keep 155 MB",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestLargeSubscriptionsAreNotKept"},
		Old: `if len(packet) > maxSubscription {`, New: `if len(packet) > maxFrame {`,
	},
	{
		Name: "gateway: a forged mark passes", Why: "a client that pretends to be the gateway is passed over when clients are closed",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestHandover"},
		Old: "\tr.Header.Del(CatchUpHeader)\n", New: "",
	},
	{
		Name: "gateway: a hanging ChatEngine keeps its clients", Why: "they get nothing until their own ping time-out, 45 s later",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestFrozenChatEngine"},
		Old: `if status.State == Local && status.Mode == Auto {`, New: `if status.State == Local && status.Mode == HoldLocal {`,
	},
	{
		Name: "gateway: packets are not counted", Why: "through the gateway a client sends ChatEngine as much as it likes",
		File: "bridge/gateway/packetlimit.go", Package: "bridge/gateway", Tests: []string{"TestNewLimitsHoldForOpenConnections"},
		Old: `l.bucket.AllowN(time.Now(), frames)`, New: `l.bucket.AllowN(time.Now(), min(frames, 0))`,
	},
	{
		Name: "gateway: what it refuses is not bounded", Why: "who is refused sends on as fast as it can",
		File: "bridge/gateway/refuse.go", Package: "bridge/gateway", Tests: []string{"TestRequestsForNothingAreBounded"},
		Old: "	if !g.opts.AdmitRequest(r) {\n", New: "\tif !g.opts.AdmitRequest(r) && why == refuseLoop {\n",
	},
	{
		Name: "gateway: a session pays for others of its address", Why: "one client of an office ends the polling sessions of all",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestRequestsForNothingAreBounded"},
		Old: `sid != "" && !g.sessions.known(sid) && !g.opts.AdmitRequest(r)`, New: `sid != "" && !g.opts.AdmitRequest(r)`,
	},
	{
		Name: "gateway: a target that is no path passes", Why: "below a base path GET * is a request for another path",
		File: "bridge/gateway/admission.go", Package: "bridge/gateway", Tests: []string{"TestTargetsThatAreNoPaths"},
		Old: `case !access.HasPath(r):`, New: `case r.URL == nil:`,
	},
	{
		Name: "api: requests that open no session are not bounded", Why: "a flood of them takes the processor from others",
		File: "bridge/api/requestlimit.go", Package: "bridge/api", Tests: []string{"TestRequestsThatOpenNoSessionAreBounded"},
		Old: `if s.expects(r) || s.AdmitsRequest(r) {`, New: `if s.expects(r) || s.AdmitsRequest(r) || r != nil {`,
	},
	{
		Name: "api: sessions pay for others of their address", Why: "one client of an office keeps all others out",
		File: "bridge/api/requestlimit.go", Package: "bridge/api", Tests: []string{"TestRequestsThatOpenNoSessionAreBounded"},
		Old: `if s.expects(r) || s.AdmitsRequest(r) {`, New: `if s.AdmitsRequest(r) {`,
	},
	{
		Name: "engineio: any port of its host is a page's own", Why: "a page of another server on the same host connects",
		File: "socketio/engineio/cors.go", Package: "bridge", Tests: []string{"TestAClientOfTheBridgesOwnAddress"},
		Old: `strings.EqualFold(named, host) && namedPort == hostPort`, New: `strings.EqualFold(named, host) && namedPort+hostPort != ""`,
	},
	{
		Name: "gateway: a client of ChatEngine lacks nothing from before its end was noticed", Why: "what was sent to a dead connection is gone in silence",
		File: "bridge/gateway/handover/departures.go", Package: "bridge/gateway/handover", Tests: []string{"TestDepartures"},
		Old: `if t = t.Add(-unnoticed); t.Before(Unknown) {`, New: `if t.Before(Unknown) {`,
	},
	{
		Name: "gateway: a client of ChatEngine's that another process had lacks nothing", Why: "after a restart of the bridge its absence is gone in silence",
		File: "bridge/gateway/handover/departures.go", Package: "bridge/gateway/handover", Tests: []string{"TestDepartures"},
		Old: `return earliest(pid, now)`, New: `return time.Time{}`,
	},
	{
		Name: "gateway: the end of a client's connection to ChatEngine is not noted", Why: "it is caught up since just before it comes back",
		File: "bridge/gateway/handover/departures.go", Package: "bridge/gateway/handover", Tests: []string{"TestDepartures"},
		Old: `	d.leave(pid, left)
	d.note(markLeft`, New: `	d.note(markLeft`,
	},
	{
		Name: "gateway: a client that was cut before it had what it missed is owed nothing", Why: "a second cut within seconds loses hours in silence",
		File: "bridge/gateway/handover/departures.go", Package: "bridge/gateway/handover", Tests: []string{"TestDepartures"},
		Old: `	if !c.owed.IsZero() && c.owed.Before(now) {
		left = c.owed
	}
`, New: "",
	},
	{
		Name: "gateway: a hand-over forgets what its client came to be sent", Why: "a second cut within seconds loses hours in silence",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestCutBeforeItWasCaughtUp"},
		Old: `		h.owed = h.service.owedSince(packet)
`, New: "",
	},
	{
		Name: "gateway: a client that has been caught up is owed the same again", Why: "each reconnection is caught up on more",
		File: "bridge/gateway/handover/handover.go", Package: "bridge/gateway", Tests: []string{"TestCutBeforeItWasCaughtUp"},
		Old: `if o == Done || o == Late {`, New: `if o == Late {`,
	},
	{
		Name: "api: a client from ChatEngine that is cut at the bridge lacks nothing of before", Why: "cut before it had all, it is new to the next bridge",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestOwedSinceItLeftChatEngine"},
		Old: `		o.Commit = began
		if !began`, New: `		if !began`,
	},
	{
		Name: "gateway: when clients left is not read after a restart", Why: "each page is caught up on all since it was opened, or on too little",
		File: "bridge/gateway/handover/departurefile.go", Package: "bridge/gateway/handover", Tests: []string{"TestDeparturesOutliveARestart"},
		Old: `stamp, err := d.read(file.path)`, New: `stamp, err := time.Time{}, error(nil)`,
	},
	{
		Name: "gateway: a client that was there at the end of the process is forgotten", Why: "what it missed after a crash is not that since the crash",
		File: "bridge/gateway/handover/departurefile.go", Package: "bridge/gateway/handover", Tests: []string{"TestDeparturesOutliveARestart"},
		Old: `			d.leave(pid, stamp)
`, New: `			delete(d.clients, pid)
`,
	},
	{
		Name: "gateway: the file goes on behind a damaged line", Why: "a departure that was lost is taken for a connection that lasted until the last stamp",
		File: "bridge/gateway/handover/departurefile.go", Package: "bridge/gateway/handover", Tests: []string{"TestDeparturesOfADamagedFile"},
		Old: `			return stamp, errors.New("a line is damaged")
`, New: `			if err != nil {
				return stamp, err
			}
			file := d.file
			file.log.Warn("a line is damaged")
`,
	},
	{
		Name: "gateway: a failed write is not made up for", Why: "the file lacks departures, and has later stamps",
		File: "bridge/gateway/handover/departurefile.go", Package: "bridge/gateway/handover", Tests: []string{"TestDeparturesFileThatCannotBeWritten"},
		Old: `	if err != nil {
		f.close()
`, New: `	if err != nil {
`,
	},
}
