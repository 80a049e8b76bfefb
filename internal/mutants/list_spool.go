package mutants

// webhooks: what was answered 200 reaches ChatEngine, in order, and not again.
var webhooks = []Mutant{
	{
		Name: "spool: what waits is overtaken", Why: "a sender's webhooks arrive in another order",
		File: "bridge/gateway/webhooks.go", Package: "bridge/gateway", Tests: []string{"TestWebhooksKeepTheirOrder"},
		Old: "return g.opts.Webhooks.Spool.Empty() && (", New: "return g.opts.Webhooks.Spool != nil && (",
	},
	{
		Name: "spool: a broken connection loses the webhook", Why: "what ChatEngine dropped in its fall is gone",
		File: "bridge/gateway/webhooks.go", Package: "bridge/gateway", Tests: []string{"TestWhatChatEngineFailsIsKept"},
		Old: "		g.noteWebhookFailed(r, err)\n		return false\n", New: "		g.noteWebhookFailed(r, err)\n		g.unavailable(w, r, err)\n		return true\n",
	},
	{
		Name: "spool: a sender that leaves takes its webhook along", Why: "what its sender does not send again is gone",
		File: "bridge/gateway/webhooks.go", Package: "bridge/gateway", Tests: []string{"TestASenderThatLeaves"},
		Old: "if g.passesWebhooks() && g.tryWebhook(w, r, hook) {", New: "if g.passesWebhooks() && (g.tryWebhook(w, r, hook) || r.Context().Err() != nil) {",
	},
	{
		Name: "spool: hop-by-hop headers are kept", Why: "ChatEngine reads a body's length twice, or an upgrade",
		File: "bridge/gateway/webhooks.go", Package: "bridge/gateway", Tests: []string{"TestWebhooksAreKept"},
		Old: "header := endToEnd(r.Header)", New: "header := r.Header.Clone()",
	},
	{
		Name: "spool: 429 is for good", Why: "ChatEngine's own limit makes dead letters of webhooks",
		File: "bridge/gateway/spool/verdict.go", Package: "bridge/gateway/spool", Tests: []string{"TestAnAbsentChatEngineCostsNoAttempts"},
		Old: "	case status == http.StatusTooManyRequests:\n		return Busy\n", New: "",
	},
	{
		Name: "spool: an absent ChatEngine counts against a webhook", Why: "an outage of half an hour makes dead letters",
		File: "bridge/gateway/spool/replay.go", Package: "bridge/gateway/spool", Tests: []string{"TestAnAbsentChatEngineCostsNoAttempts"},
		Old: "	return Away, text, 0\n", New: "	return Failed, text, 0\n",
	},
	{
		Name: "spool: being busy is an answer", Why: "ChatEngine's limit is met with a request a second, for ever",
		File: "bridge/gateway/spool/replay.go", Package: "bridge/gateway/spool", Tests: []string{"TestAnAbsentChatEngineCostsNoAttempts"},
		Old: "if verdict != Away && verdict != Busy {", New: "if verdict != Away {",
	},
	{
		Name: "spool: Retry-After is not heeded", Why: "ChatEngine is asked again too early, and refuses longer",
		File: "bridge/gateway/spool/replay.go", Package: "bridge/gateway/spool", Tests: []string{"TestRetryAfterIsHonoured"},
		Old: "t.paused = now.Add(max(t.away.Next(), asked))", New: "t.paused = now.Add(max(t.away.Next(), 0*asked))",
	},
	{
		Name: "spool: a webhook that waits does not hold back its sender's", Why: "a sender's webhooks arrive in another order",
		File: "bridge/gateway/spool/replay.go", Package: "bridge/gateway/spool", Tests: []string{"TestOneSendersTroubleIsItsOwn"},
		Old: "if _, blocked := t.blocked[r.lane()]; blocked || t.taken[r.id] {", New: "if t.taken[r.id] {",
	},
	{
		Name: "spool: a webhook that waits holds back everybody's", Why: "one that ChatEngine cannot digest stops all numbers for 19 minutes",
		File: "bridge/gateway/spool/webhook.go", Package: "bridge/gateway/spool", Tests: []string{"TestOneSendersTroubleIsItsOwn", "TestTheInstanceNamesTheSender"},
		Old: `return r.Path + "\x00" + r.Sender`, New: `return ""`,
	},
	{
		Name: "spool: what was taken is sent again when the disk fails", Why: "a message arrives twice after each failed write",
		File: "bridge/gateway/spool/replay.go", Package: "bridge/gateway/spool", Tests: []string{"TestADiskThatFails"},
		Old: "		s.turn.taken[r.id] = true\n", New: "		s.turn.taken[r.id] = false\n",
	},
	{
		Name: "spool: a failed write counts as kept", Why: "webhooks that were answered 200 are gone",
		File: "bridge/gateway/spool/keep.go", Package: "bridge/gateway/spool", Tests: []string{"TestADiskThatFails", "TestADirectoryThatCannotBe"},
		Old: "	if err != nil {\n		return err\n	}\n	s.count.kept.Add(1)", New: "	if errors.Is(err, ErrFull) {\n		return err\n	}\n	s.count.kept.Add(1)",
	},
	{
		Name: "spool: without bounds", Why: "an outage, or a stranger, fills the disk",
		File: "bridge/gateway/spool/keep.go", Package: "bridge/gateway/spool", Tests: []string{"TestFull"},
		Old: "		return true, 0, nil\n", New: "		return false, 0, t.add(r, body)\n",
	},
	{
		Name: "spool: a damaged file is a fault", Why: "one bad sector, and no webhook is kept any more",
		File: "bridge/gateway/spool/spool.go", Package: "bridge/gateway/spool", Tests: []string{"TestDamagedFilesAreSetAside"},
		Old: "	if errors.Is(err, errDamaged) {\n		if err := s.setAside(err)", New: "	if errors.Is(err, ErrLocked) {\n		if err := s.setAside(err)",
	},
	{
		Name: "spool: a body is sent as the disk has it", Why: "ChatEngine stores what nobody wrote",
		File: "bridge/gateway/spool/webhook.go", Package: "bridge/gateway/spool", Tests: []string{"TestABodyThatChangedOnDiskIsNotSent"},
		Old: "|| crc32.Checksum(body, castagnoli) != r.CRC", New: "|| r.CRC == 1",
	},
	{
		Name: "spool: slow bodies have all the time", Why: "a few slow clients use up the memory for bodies, and webhooks are refused",
		File: "bridge/gateway/spool/keep.go", Package: "bridge/gateway", Tests: []string{"TestOnlyCompleteBodiesAreKept"},
		Old: "	_ = control.SetReadDeadline(time.Now().Add(s.opts.BodyTimeout))\n", New: "",
	},
	{
		Name: "spool: secrets are shown", Why: "whoever may look at the spool has ChatEngine's keys",
		File: "bridge/gateway/spool/order.go", Package: "bridge/gateway/spool", Tests: []string{"TestOrdersOfAnOperator"},
		Old: "		if shown[l.Name] {", New: "		if !shown[\"\"] {",
	},
	{
		Name: "spool: paths are cleaned up", Why: "a request that ChatEngine would not have served is kept for it",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestPathTricksAreNotKept"},
		Old: "case g.keeps(r, path):", New: "case g.keeps(r, r.URL.Path):",
	},
	{
		Name: "gateway: a body that nobody read stays in its connection", Why: "the next request of that connection breaks, or is read out of the body",
		File: "bridge/gateway/http.go", Package: "bridge/gateway", Tests: []string{"TestBodiesThatNobodyReads", "TestWhoseWebhooksAreKept"},
		Old: "return x.body != nil && x.body.ended.Load() == nil", New: "return false",
	},
	{
		Name: "spool: a full disk closes the file each time", Why: "what waits is never sent as long as webhooks come in",
		File: "bridge/gateway/spool/spool.go", Package: "bridge/gateway/spool", Tests: []string{"TestAFullDisk"},
		Old: "	if noRoom(err) {", New: "	if noRoom(nil) {",
	},
}
