package mutants

// sending: no text twice, none lost without a word, no session where it does not belong.
var sending = []Mutant{
	{
		Name: "send: refused without the text", Why: "a text that was typed in an outage is gone from the screen",
		File: "bridge/send/settle.go", Package: "bridge/api", Tests: []string{"TestARefusedTextStandsThere"},
		Old: "\ts.emitPending(x, true)\n", New: "",
	},
	{
		Name: "send: a refused text is told to everybody", Why: "colleagues see what was never sent",
		File: "bridge/send/settle.go", Package: "bridge/api", Tests: []string{"TestARefusedTextStandsThere"},
		Old: `s.emitPending(x, true)`, New: `s.emitPending(x, false)`,
	},
	{
		Name: "send: begun without being written down", Why: "a bridge that is killed sends the message a second time",
		File: "bridge/send/deliver.go", Package: "bridge/send", Tests: []string{"TestAKilledProcessSendsNothingTwice"},
		Old: `if err := s.journal.put(x.record()); err != nil {`, New: `if err := error(nil); err != nil {`,
	},
	{
		Name: "send: what was open at the end is forgotten", Why: "nobody is told of a message whose bridge was killed, and it is sent again",
		File: "bridge/send/journal.go", Package: "bridge/send", Tests: []string{"TestAKilledProcessSendsNothingTwice"},
		Old: `if r.State == stateBegun {`, New: `if r.State == "" {`,
	},
	{
		Name: "send: a known request is sent again", Why: "a client that repeats itself sends its message twice",
		File: "bridge/send/accept.go", Package: "bridge/send", Tests: []string{"TestRepeatedRequests", "TestFunctionFails"},
		Old: `known == nil || known.State == stateWaiting || known.Print == x.fingerprint &&`, New: `known == nil || known.State != "" || known.Print == x.fingerprint &&`,
	},
	{
		Name: "send: what waits for its turn is not written down", Why: "the bridge is killed, and a text that everybody was shown stands there as pending for ever",
		File: "bridge/send/deliver.go", Package: "bridge/send", Tests: []string{"TestAKilledProcessTellsOfWhatWaited"},
		Old: `	waiting.State = stateWaiting
	if err := s.journal.put(waiting); err != nil {`, New: `	if err := s.journal.drop(waiting); err != nil {`,
	},
	{
		Name: "send: a text with which the chat server died is not told of", Why: "it stands on its sender's screen as pending for ever",
		File: "bridge/send/passed.go", Package: "bridge/send", Tests: []string{"TestATextThatWasPassed"},
		Old: `	s.remember(r, errCut)`, New: `	_ = r`,
	},
	{
		Name: "send: a text is told as failed before its row is read", Why: "a text that the chat server has sent is shown as failed, and is sent again",
		File: "bridge/send/passed.go", Package: "bridge/send", Tests: []string{"TestATextThatWasPassed"},
		Old: `for p.s.opts.Fresh != nil && !p.s.opts.Fresh(since)`, New: `for false && !p.s.opts.Fresh(since)`,
	},
	{
		Name: "gateway: what a client sends while ChatEngine is gone is not looked at", Why: "a text stands on its sender's screen as pending for ever",
		File: "bridge/gateway/tunnel.go", Package: "bridge/gateway", Tests: []string{"TestTextsThatPass"},
		Old: `		t.end(t.upstream, ofClient)
		t.drain()`, New: `		t.end(t.upstream, ofClient)`,
	},
	{
		Name: "engineio: what a client that is shed sends is dropped", Why: "a text that is typed while its client is handed back is lost",
		File: "socketio/engineio/close.go", Package: "socketio/engineio", Tests: []string{"TestShedServesWhatComes"},
		Old: `	if reason != Shed {
		s.setClosed`, New: `	if reason != NumReasons {
		s.setClosed`,
	},
	{
		Name: "send: what another bridge has sent is not known", Why: "a client that repeats itself through another bridge sends its message twice",
		File: "bridge/send/observe.go", Package: "bridge/send", Tests: []string{"TestWhatTheStreamHasToldIsNotSentAgain"},
		Old: "\tid := s.know(ev)\n", New: "\tid := clientIDOf(ev.Payload)\n",
	},
	{
		Name: "send: what another bridge has claimed is sent", Why: "the first bridge dies, and the message goes out twice",
		File: "bridge/send/claims.go", Package: "bridge/send", Tests: []string{"TestAClaimOfAnotherBridge"},
		Old: `case has == value:`, New: `case has != "":`,
	},
	{
		Name: "send: a request that is on its way is begun again", Why: "a client that repeats itself sends its message twice",
		File: "bridge/send/accept.go", Package: "bridge/send", Tests: []string{"TestRepeatedRequests"},
		Old: "\tfirst := s.open[x.key()]\n", New: "\tfirst := s.open[key{}]\n",
	},
	{
		Name: "send: one user's id is everybody's", Why: "a user is told what became of another's message, and the own one is not sent",
		File: "bridge/send/sending.go", Package: "bridge/send", Tests: []string{"TestRepeatedRequests"},
		Old: `return key{x.request.Workspace, x.request.User, x.request.ID} }`, New: `return key{x.request.Workspace, "", x.request.ID} }`,
	},
	{
		Name: "send: another text with a known id is taken for it", Why: "a text is lost, and its sender is told that it was sent",
		File: "bridge/send/accept.go", Package: "bridge/send", Tests: []string{"TestFunctionFails"},
		Old: "\tif known.Print != x.fingerprint {\n\t\ts.refuse(x, errReused)\n\t\treturn\n\t}\n", New: "",
	},
	{
		Name: "send: what never left cannot be tried again", Why: "a text that failed for a moment's reason fails for a day",
		File: "bridge/send/settle.go", Package: "bridge/send", Tests: []string{"TestNothingBegunMayBeTriedAgain"},
		Old: `if o.NotBegun {`, New: `if o.NotBegun && o.Fault == nil {`,
	},
	{
		Name: "send: a redirect is followed", Why: "the user's session goes wherever the function's address leads",
		File: "internal/httpclient/httpclient.go", Package: "bridge/send", Tests: []string{"TestTheSessionGoesNowhereElse"},
		Old: `return http.ErrUseLastResponse }`, New: `return nil }`,
	},
	{
		Name: "send: the environment's proxy is used", Why: "the user's session goes through a proxy that nobody configured here",
		File: "bridge/send/function.go", Package: "bridge/send", Tests: []string{"TestTheSessionGoesNowhereElse"},
		Old: "\ttransport.Proxy = nil\n", New: "",
	},
	{
		Name: "send: garbage counts as sent", Why: "a text that was not sent stands there as sent",
		File: "bridge/send/function.go", Package: "bridge/send", Tests: []string{"TestFunctionFails"},
		Old: `case read && a.OK != nil && status >= 200`, New: `case status >= 200`,
	},
	{
		Name: "send: an answer that does not come is a refusal", Why: "its sender sends again what was sent",
		File: "bridge/send/function.go", Package: "bridge/send", Tests: []string{"TestFunctionFails"},
		Old: "\tcase err != nil:\n\t\treturn failed(CodeUnknown, errUnknown)\n", New: "\tcase err != nil:\n\t\treturn failed(CodeFailed, errUnknown)\n",
	},
	{
		Name: "send: an expired session is tried", Why: "the text fails for good under its id, where a fresh session would have sent it",
		File: "bridge/send/accept.go", Package: "bridge/send", Tests: []string{"TestNothingBegunMayBeTriedAgain"},
		Old: `!x.created.Before(x.request.Session.Expires)`, New: `x.request.Session.Token == ""`,
	},
	{
		Name: "send: the session of the CONNECT for ever", Why: "after an hour nothing can be sent without a new connection",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestTextsAreSentWithTheSocketsSession"},
		Old: "\tc.session = s.sessionOf(p, arg.Token)\n", New: "",
	},
	{
		Name: "send: ChatEngine's tokens go to the function", Why: "a token of another secret leaves for another server",
		File: "bridge/api/sending.go", Package: "bridge/api", Tests: []string{"TestTextsAreSentWithTheSocketsSession"},
		Old: `if p.Kind != auth.Supabase || !s.opts`, New: `if !s.opts`,
	},
	{
		Name: "send: any conversation", Why: "a user of two workspaces sends in one what was typed in the other",
		File: "bridge/send/deliver.go", Package: "bridge/send", Tests: []string{"TestNothingBegunMayBeTriedAgain"},
		Old: "\tcase !has:\n\t\treturn &Fault{CodeConversation", New: "\tcase !has && s.closed:\n\t\treturn &Fault{CodeConversation",
	},
	{
		Name: "send: without an answer whose it is", Why: "while the database is away texts go to other workspaces' conversations",
		File: "bridge/send/deliver.go", Package: "bridge/send", Tests: []string{"TestNothingBegunMayBeTriedAgain"},
		Old: "\tcase err != nil:\n\t\treturn errAsking\n\tcase !has:", New: "\tcase err == nil && !has:",
	},
	{
		Name: "send: out of turn", Why: "two texts arrive in another order than they were typed",
		File: "bridge/send/deliver.go", Package: "bridge/send", Tests: []string{"TestTheOrderOfAConversation"},
		Old: "\tif x.before == nil {\n\t\treturn s.sending.Err() == nil\n\t}\n", New: "\tif x.before == nil || s.sending.Err() == nil {\n\t\treturn s.sending.Err() == nil\n\t}\n",
	},
	{
		Name: "send: who gives up lets others pass", Why: "two texts arrive in another order than they were typed",
		File: "bridge/send/deliver.go", Package: "bridge/send", Tests: []string{"TestWhoGivesUpLetsNobodyPass"},
		Old: "\tcase <-x.before.passed:", New: "\tcase <-x.before.done:",
	},
	{
		Name: "send: the workspace is told under any id", Why: "a user changes another's message on all screens",
		File: "bridge/send/events.go", Package: "bridge/send", Tests: []string{"TestAnIDIsAUsersOwn"},
		Old: "own = own || !shared(x.request.ID)", New: "own = own || shared(\"\")",
	},
	{
		Name: "send: another user's id", Why: "a user changes another's message on all screens",
		File: "bridge/send/accept.go", Package: "bridge/send", Tests: []string{"TestAnIDIsAUsersOwn"},
		Old: "case known == nil && others:", New: "case false && others:",
	},
	{
		Name: "send: all conversations in one line", Why: "one that hangs holds up everybody's",
		File: "bridge/send/sending.go", Package: "bridge/send", Tests: []string{"TestTheOrderOfAConversation"},
		Old: `return lane{x.request.Workspace, foldUUID(x.request.Conversation)} }`, New: `return lane{x.request.Workspace, ""} }`,
	},
	{
		Name: "send: sent after delivered", Why: "a message that was read goes back to sent",
		File: "bridge/send/settle.go", Package: "bridge/send", Tests: []string{"TestItsRowTellsWhatBecameOfIt"},
		Old: `if !row.beyond(Sent) {`, New: `if true {`,
	},
	{
		Name: "send: failed though its row is there", Why: "a message that was sent stands there as failed",
		File: "bridge/send/settle.go", Package: "bridge/send", Tests: []string{"TestItsRowTellsWhatBecameOfIt"},
		Old: `case o.Fault != nil && row.status != Failed &&`, New: `case o.Fault != nil && row.id == "-" &&`,
	},
	{
		Name: "send: a row that comes later changes nothing", Why: "its sender is told for an hour that it failed",
		File: "bridge/send/observe.go", Package: "bridge/send", Tests: []string{"TestAKilledProcessSendsNothingTwice"},
		Old: `s.takeFailures(string(ev.Workspace), id, row) {`, New: `s.takeFailures(string(ev.Workspace), id+"-", row) {`,
	},
	{
		Name: "send: a row that was seen is not written down", Why: "after a restart a message is told as failed whose row everybody has",
		File: "bridge/send/journal.go", Package: "bridge/send", Tests: []string{"TestAKilledProcessKnowsOfTheRow"},
		Old: `if r.RowID == "" || r.Status == Failed || !j.final(r.Status) {`, New: `if r.Status != "" || r.RowID == "" {`,
	},
	{
		Name: "send: a user without bounds", Why: "one user's flood goes to the function",
		File: "bridge/send/limits.go", Package: "bridge/send", Tests: []string{"TestFloods"},
		Old: `if r.perMinute > 0 && !r.of(u, now)`, New: `if r.perMinute < 0 && !r.of(u, now)`,
	},
	{
		Name: "send: the share is everybody's", Why: "one user's flood keeps others from sending",
		File: "bridge/send/limits.go", Package: "bridge/send", Tests: []string{"TestFloods"},
		Old: "\tl := r.each[u]\n", New: "\tu = user{}\n\tl := r.each[u]\n",
	},
	{
		Name: "send: the end waits for nothing", Why: "what is on its way when the bridge is restarted is told as failed",
		File: "bridge/send/life.go", Package: "bridge/send", Tests: []string{"TestShutdownWaits"},
		Old: "\tcase <-done:\n\tcase <-ctx.Done():\n", New: "\tdefault:\n\t\ts.stop()\n",
	},
	{
		Name: "send: clients that connect hear nothing of failures", Why: "a text whose sender was away when it failed stands there as pending for ever",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestASocketGoesOnWhileItsTextIsSent"},
		Old: "\ts.tellFailures(c, socket)\n", New: "",
	},
	{
		Name: "send: a sender that is being caught up hears nothing", Why: "its own text is not there, and then failed or sent",
		File: "bridge/api/sending.go", Package: "bridge/api", Tests: []string{"TestTheWorkspaceSeesWhatIsSent"},
		Old: `if !reached && socket != nil {`, New: `if !reached && ev.Own && socket != nil {`,
	},
	{
		Name: "send: texts go to who sees other conversations", Why: "a client is sent messages that it did not ask for",
		File: "bridge/hub/publish.go", Package: "bridge/api", Tests: []string{"TestTheWorkspaceSeesWhatIsSent"},
		Old: "\th.broadcast(p, rooms...)\n", New: "\th.broadcast(p, append(rooms, t.all)...)\n",
	},
	{
		Name: "outbox: without the lock", Why: "two bridges store the same message twice",
		File: "bridge/send/outbox.go", Package: "bridge/send", Tests: []string{"TestOutboxOfTwoBridges"},
		Old: `lock:         "select pg_advisory_xact_lock(hashtextextended($1, 0))"`, New: `lock:         "select hashtextextended($1, 0)"`,
	},
	{
		Name: "outbox: a message that is known is stored again", Why: "it is sent twice",
		File: "bridge/send/outbox.go", Package: "bridge/send", Tests: []string{"TestOutboxStoresOnce", "TestOutboxALostCommitIsNoAnswer"},
		Old: "known || err != nil {\n\t\treturn out, err", New: "err != nil {\n\t\treturn out, err",
	},
	{
		Name: "outbox: another text under a known id is stored", Why: "the second text is lost, and its sender told that it was taken",
		File: "bridge/send/outbox.go", Package: "bridge/send", Tests: []string{"TestOutboxKnowsATextAgain"},
		Old: `err == nil && !same:`, New: `false:`,
	},
	{
		Name: "outbox: any conversation", Why: "a workspace writes into another's conversations",
		File: "bridge/send/outbox.go", Package: "bridge/send", Tests: []string{"TestOutboxAsksWhoseTheConversationIs"},
		Old: "\tif !has {\n\t\treturn notBegun(", New: "\tif !has && v.Conversation == \"\" {\n\t\treturn notBegun(",
	},
}
