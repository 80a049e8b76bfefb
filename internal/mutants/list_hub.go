package mutants

// model are the flags with which the model finds what it is to find.
var model = []string{"-model.seeds=1200", "-model.shrink=false"}

// feeding: what the Hub gives a client, and what it says that it does not.
var feeding = []Mutant{
	{
		Name: "hub: a client that is ahead of the bridge is fed at once", Why: "who comes from a bridge that had read on further sees states go back",
		File: "bridge/hub/ahead.go", Package: "bridge/hub", Tests: []string{"TestAheadOfTheBridge"},
		Old: "return h.possible(c.claim, now) && ", New: "return false && ",
	},
	{
		Name: "hub: live messages go by the rows' ids alone", Why: "an older CRM that was at ChatEngine shows messages twice",
		File: "bridge/hub/publish.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "\tif len(ev.Other) > 0 {\n", New: "\tif false {\n",
	},
	{
		Name: "hub: the backlog of all goes by the rows' ids", Why: "an older CRM that was at ChatEngine shows the last minute twice",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "Bare: at.Position, Naming: c.Names}", New: "Bare: at.Position}",
	},
	{
		Name: "hub: in another history messages keep their old names", Why: "live and from the log they have different ids",
		File: "bridge/hub/client.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "\t\tif c.Names.Created < h.began.UnixMicro() {\n", New: "\t\tif false {\n",
	},
	{
		Name: "hub: an edited row of before has ChatEngine's id", Why: "an older CRM shows what it loaded twice, once it is edited",
		File: "bridge/hub/publish.go", Package: "bridge/api", Tests: []string{"TestMessagesUnderTheNamesOfChatEngine"},
		Old: "\t\t\tif ev.Again && c.live", New: "\t\t\tif false && c.live",
	},
	{
		Name: "hub: subscribing takes the head for what was read", Why: "a client that lags and subscribes loses that conversation's backlog",
		File: "bridge/hub/subscribe.go", Package: "bridge/hub", Tests: []string{"TestSubscribeWhileLagging"},
		Old: "\t\t\te := c.all\n\t\t\te.conversation = conversation\n\t\t\treturn &e\n", New: "\t\t\te := c.all\n\t\t\te.conversation = conversation\n\t\t\tc.main = h.headPlace()\n\t\t\treturn &e\n",
	},
	{
		Name: "hub: what Resume found is not checked again", Why: "what is evicted before Attach is gone in silence",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestEvictedBetweenResumeAndAttach"},
		Old: "\t\tif !h.covers(prior, c.claim) {\n", New: "\t\tif false {\n",
	},
	{
		Name: "hub: a history that began between Resume and Attach goes unnoticed", Why: "an offset of the old history is read in the new one",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestEvictedBetweenResumeAndAttach"},
		Old: "	if prior.history != h.history {\n		// It changed between", New: "	if false {\n		// It changed between",
	},
	{
		Name: "hub: a session of another history is restored", Why: "an offset of the old history is read in the new one",
		File: "bridge/hub/session.go", Package: "bridge/api", Tests: []string{"TestAnotherHistory"},
		Old: "prior.history != h.history || o.Position.Compare(h.log.Head()) > 0 ||", New: "o.Position.Compare(h.log.Head()) > 0 ||",
	},
	{
		Name: "hub: restored whatever the log holds", Why: "a session is restored with a gap",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "\tif space.States().Above(o.Position) {\n\t\treturn false\n\t}\n", New: "",
	},
	{
		Name: "hub: restored though part was still to come", Why: "what a client had not been sent when it was cut never comes",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "		!prior.exact(o) || !h.covers(prior, o)", New: "		!h.covers(prior, o)",
	},
	{
		Name: "hub: a new session inherits nothing", Why: "what a client was still owed when it was cut never comes",
		File: "bridge/hub/client.go", Package: "bridge/hub", Tests: []string{"TestCutBeforeItHadRead"},
		Old: "\t\t\tc.inherit(prior, h.opts.MaxSubscriptions)\n", New: "",
	},
	{
		Name: "hub: an offset proves what was sent at it", Why: "a backlog that was lost with the connection counts as received",
		File: "bridge/hub/extent.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "return e.joined && o.Position.Compare(e.since) > 0", New: "return e.joined && o.Position.Compare(e.since) >= 0",
	},
	{
		Name: "hub: a claim proves what came after it", Why: "what a client was sent in a new session counts as received by an older offset",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "\tif at.Compare(c.claim.Position) < 0 {\n\t\treturn c.claim.Position\n\t}\n", New: "",
	},
	{
		Name: "hub: the backlog carries offsets", Why: "a client's offset goes back, and statuses with it",
		File: "bridge/replay/read.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "			dst = append(dst, l.read(s, c, e, &naming, true))\n", New: "			dst = append(dst, l.read(s, c, e, &naming, false))\n",
	},
	{
		Name: "hub: live while the backlog is read", Why: "a newer status overtakes an older one",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "	if c.live && len(c.backlog) > 0 {\n		h.leaveLive(c, h.headPlace())\n	}\n", New: "",
	},
	{
		Name: "hub: a client goes live before it is at the head", Why: "what was published while it read is missing",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestManyEventsOfOthers"},
		Old: "	if len(packets) > 0 || c.main.Next < head {\n		return packets, false\n	}\n	c.live, c.evictions = true, 0", New: "	if len(packets) > 0 {\n		return packets, false\n	}\n	c.live, c.evictions = true, 0",
	},
	{
		Name: "hub: a lagging client reads on after what did not fit", Why: "the event that filled its queue is missing",
		File: "bridge/hub/publish.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "	h.leaveLive(c, h.publishing)\n	h.stats", New: "	h.leaveLive(c, h.headPlace())\n	h.stats",
	},
	{
		Name: "hub: a client that lags stays in the broadcasts", Why: "its events come out of order",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "	c.live, c.main, c.everything = false, p, true\n	c.socket.Pause(true)\n", New: "	c.live, c.main, c.everything = false, p, true\n",
	},
	{
		Name: "hub: a slow reader's gap goes unnoticed", Why: "what was evicted before a client read it is gone in silence",
		File: "bridge/hub/gap.go", Package: "bridge/hub", Tests: []string{"TestTransactionLargerThanTheLog", "TestModel"}, Args: model,
		Old: "	if space.Lost() == c.lost {\n", New: "	if space.Lost() >= c.lost {\n",
	},
	{
		Name: "hub: a backlog's gap goes unnoticed", Why: "a conversation's messages of the window are missing, and nobody is told",
		File: "bridge/hub/gap.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "	if f.Seq > max(e.next, e.noted) {\n", New: "	if false {\n",
	},
	{
		Name: "hub: a client is told of gaps last", Why: "it is cut before it is told, and its offset says that it has everything",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "		case len(c.gaps) > 0:\n			packets = h.appendGaps(c, buf)\n		case len(c.absences) > 0:\n",
		New: "		case len(c.gaps) > 0:\n			c.gaps, done = nil, true\n		case len(c.absences) > 0:\n",
	},
	{
		Name: "hub: the tables are read before a client can have subscribed", Why: "a client without subscriptions gets none of the messages that it missed",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestAwayWithoutSubscriptions"},
		Old: "			if c.scope == scopeUndecided {\n				// What it missed", New: "			if c.gone {\n				// What it missed",
	},
	{
		Name: "hub: the log reaches back to whatever was promised", Why: "of an absence that is longer than the limit a client lacks, in silence, what came between the limit and the log",
		File: "bridge/hub/absence.go", Package: "bridge/hub", Tests: []string{"TestAwayWithTheLogInPart"},
		Old: "		return !f.Above(c.from.Position)\n", New: "		return true\n",
	},
	{
		Name: "hub: tables that cannot be read are not told of", Why: "what a client missed is gone in silence",
		File: "bridge/hub/absence.go", Package: "bridge/hub", Tests: []string{"TestTablesAway"},
		Old: "	for _, g := range was {\n		h.noteGap(c, g)\n", New: "	for _, g := range was {\n",
	},
	{
		Name: "hub: what the tables leave out is not told of", Why: "what is too long ago is gone in silence",
		File: "bridge/hub/absence.go", Package: "bridge/hub", Tests: []string{"TestTooMuchMissed"},
		Old: "			h.noteGap(c, rest)\n", New: "",
	},
	{
		Name: "hub: a conversation subscribed after the tables were read was not missed", Why: "of all conversations but the first a client lacks what it missed",
		File: "bridge/hub/absence.go", Package: "bridge/hub", Tests: []string{"TestSubscribesWhileHealed"},
		Old: "	g := *c.away\n	g.conversation = e.conversation\n	h.noteMissing(c, g)\n", New: "",
	},
	{
		Name: "hub: what was read before the client's last event is sent", Why: "a status goes back for a moment where a page opens one more conversation",
		File: "bridge/hub/absence.go", Package: "bridge/hub", Tests: []string{"TestHealedNeverGoesBack"},
		Old: ", Fresh: c.fed}\n", New: "}\n",
	},
	{
		Name: "hub: a live client has been given nothing", Why: "a status goes back for a moment where a page opens one more conversation",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestHealedNeverGoesBack"},
		Old: "\tc.fed = time.Now()\n\tc.live", New: "\tc.live",
	},
	{
		Name: "far: rows of every workspace", Why: "a client is sent rows of another workspace that name its conversation",
		File: "mapping/lookup/paststatements.go", Package: "mapping/lookup", Tests: []string{"TestPast"},
		Old: "k.conv and m.%s%s = \"", New: "k.conv and m.%s%s >= \"",
	},
	{
		Name: "far: what the bound leaves out is not said", Why: "a client that missed too much is not told",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestReadBounded"},
		Old: "more && from.After(since) {\n", New: "more && from.Before(since) {\n",
	},
	{
		Name: "far: a message that the client knows keeps its status", Why: "a message sent just before the client left shows an old status for ever",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestRead"},
		Old: "	newest = append(repeated(messages, ask), without(newest, messages)...)\n", New: "	newest = without(newest, messages)\n",
	},
	{
		Name: "far: conversations of every workspace", Why: "a client is sent another workspace's conversations",
		File: "mapping/lookup/paststatements.go", Package: "mapping/lookup", Tests: []string{"TestPast"},
		Old: "where := fmt.Sprintf(\"c.%s%s = %s\"", New: "where := fmt.Sprintf(\"c.%s%s >= %s\"",
	},
	{
		Name: "far: rows are read from after the client left", Why: "what was committed as the client left is gone in silence",
		File: "bridge/far/lists.go", Package: "bridge/far", Tests: []string{"TestRead"},
		Old: "At: at.Add(-slack)}", New: "At: at.Add(slack)}",
	},
	{
		Name: "far: rows of any age", Why: "a client that was away for a minute is sent all there ever was",
		File: "mapping/lookup/past.go", Package: "mapping/lookup", Tests: []string{"TestPast"},
		Old: "ids, times = append(ids, s.Conversation), append(times, timeText(s.At))", New: "ids, times = append(ids, s.Conversation), append(times, timeText(time.Time{}.AddDate(1, 0, 0)))",
	},
	{
		Name: "far: what row level security hides was never there", Why: "what a client missed is gone in silence after somebody turned row level security on",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadBehindRowSecurity"},
		Old: "	if hides {\n		rest = append(rest, all(ask))\n", New: "	if false {\n		rest = append(rest, all(ask))\n",
	},
	{
		Name: "far: row level security is asked for once", Why: "rows that are hidden while a reading goes on are gone in silence",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadBehindRowSecurity"},
		Old: "if n < len(missing.keys) { // or they were deleted\n", New: "if n < 0 {\n",
	},
	{
		Name: "far: what the log has takes the place of what it does not have", Why: "a client that missed too much is told of a gap that the log fills, and newer messages come before older ones",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestReadBoundedBesideTheLog"},
		Old: "		keys, more, err = p.between(ctx, w.past, time.Time{}, ask.Until)\n", New: "		keys, more, err = p.between(ctx, w.past, time.Time{}, ask.Until.Add(slack))\n",
	},
	{
		Name: "far: what is a little late counts as the log's", Why: "a row whose clock is ahead is in neither",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestReadBoundedBesideTheLog"},
		Old: "	if !tooMany {\n", New: "	if !tooMany && len(later) == 0 {\n",
	},
	{
		Name: "far: a gap is told of last", Why: "a client that is cut before has a gap that its offset does not tell",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadBoundedBesideTheLog"},
		Old: "		if len(rest) > 0 && ask.LeftOut != nil {\n", New: "		if false {\n",
	},
	{
		Name: "hub: what is too long ago is told of last", Why: "a client shows what came after a gap before it knows of the gap",
		File: "bridge/hub/absence.go", Package: "bridge/hub", Tests: []string{"TestToldBeforeWhatFollows"},
		Old: "	if err := ask.LeftOut(nil); err != nil {", New: "	if err := error(nil); err != nil {",
	},
	{
		Name: "hub: any offset is believed", Why: "a client with an offset that is ahead of everything gets nothing of what it missed, and is not told",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestImpossibleOffset"},
		Old: "	case !h.possible(o, time.Now()):\n", New: "	case !h.possible(o, time.Now()) && o.Commit.IsZero():\n",
	},
	{
		Name: "hub: an offset that nobody knows says that nothing is lacking", Why: "a client whose offset cannot be read is not told that it may lack anything",
		File: "bridge/hub/client.go", Package: "bridge/hub", Tests: []string{"TestImpossibleOffset"},
		Old: "unknown != nil && began.IsZero() {", New: "unknown != nil && false {",
	},
	{
		Name: "hub: an offset of what another process has read is not believed", Why: "behind a load balancer clients are told of gaps that there are not",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestImpossibleOffset"},
		Old: "	if o.Position.Compare(h.log.Head()) <= 0 {\n		return true\n	}\n	return ", New: "	if o.Position.Compare(h.log.Head()) <= 0 {\n		return true\n	}\n	return false && ",
	},
	{
		Name: "far: an answer is shared that is older than the question", Why: "what changed between the two is in neither",
		File: "bridge/far/shared.go", Package: "bridge/far", Tests: []string{"TestReadShared"},
		Old: "!ok || e.at.Before(until) ||", New: "!ok ||",
	},
	{
		Name: "far: an answer is shared with who has newer", Why: "a status goes back for a moment where a page opens one more conversation",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadShared"},
		Old: "later(ask.Until, ask.Fresh))", New: "ask.Until)",
	},
	{
		Name: "far: what is shared has no workspace", Why: "a client is sent another workspace's conversations and messages",
		File: "bridge/far/shared.go", Package: "bridge/far", Tests: []string{"TestSharedListsReachBack"},
		Old: "return workspace + \"\\x00\" + ", New: "return ",
	},
	{
		Name: "far: a shared list is taken for longer than it is", Why: "a client that was away for longer than the first to come back lacks what came before, in silence",
		File: "bridge/far/lists.go", Package: "bridge/far", Tests: []string{"TestSharedListsReachBack"},
		Old: "l.from.After(s.At) {\n", New: "l.from.IsZero() {\n",
	},
	{
		Name: "far: the shared list of conversations is taken for longer than it is", Why: "a client that was away for longer lacks conversations in its list, in silence",
		File: "bridge/far/lists.go", Package: "bridge/far", Tests: []string{"TestSharedListsReachBack"},
		Old: "l == nil || l.from.After(since) && !l.more {", New: "l == nil {",
	},
	{
		Name: "far: what a bound cut off for another client", Why: "a client is told of a gap, or told of none, by what another one had asked for besides",
		File: "bridge/far/lists.go", Package: "bridge/far", Tests: []string{"TestSharedListsReachBack"},
		Old: "len(keys) < rows && tries < 2 {", New: "false {",
	},
	{
		Name: "far: keys are put in order by the millisecond", Why: "messages of one millisecond are shown in another order than they have",
		File: "bridge/far/lists.go", Package: "bridge/far", Tests: []string{"TestReadOrdered"},
		Old: "return b.At.Compare(a.At) })", New: "return 2*b.At.Compare(a.At) + cmp.Compare(b.Key, a.Key) })",
	},
	{
		Name: "far: each row is read for each client", Why: "of thousands of clients of a workspace the last wait for minutes",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestManyRead"},
		Old: "			if !lacks() {\n				return nil\n			}\n", New: "",
	},
	{
		Name: "far: lists begin where each client left", Why: "of thousands of clients of a workspace each reads lists of its own",
		File: "bridge/far/lists.go", Package: "bridge/far", Tests: []string{"TestReadAlike"},
		Old: "	return at.Truncate(step)\n", New: "	return at\n",
	},
	{
		Name: "far: who waits for long is refused while others are served", Why: "of thousands of clients of a workspace the last are told of a gap, and the rows are there",
		File: "bridge/far/gate.go", Package: "bridge/far", Tests: []string{"TestGatePatience"},
		Old: "at.After(since) {\n", New: "false && at.After(since) {\n",
	},
	{
		Name: "far: over PostgREST rows of every workspace", Why: "a client is sent rows of another workspace that name its conversation",
		File: "mapping/lookup/postgrestreading.go", Package: "mapping/lookup", Tests: []string{"TestRESTPast"},
		Old: "\t\tv.Set(name(t, t.Workspace), oneOf([]string{workspace}))\n", New: "",
	},
	{
		Name: "far: over PostgREST fewer rows than were asked for are taken for the last", Why: "what the server's own bound cuts off is gone in silence",
		File: "mapping/lookup/postgrestreading.go", Package: "mapping/lookup", Tests: []string{"TestRESTPast"},
		Old: "\tlast := n == 0 || n < q.largest\n", New: "\tlast := n < pageRows\n",
	},
	{
		Name: "far: over PostgREST a page goes on by time alone", Why: "of messages of one moment some are gone in silence",
		File: "mapping/lookup/postgrestreading.go", Package: "mapping/lookup", Tests: []string{"TestRESTPastIsExact"},
		Old: "or(%s.lt.%s,and(%s.eq.%s,%s.lt.%s))", New: "or(%s.lt.%s,and(%s.eq.%s,%s.eq.%s))",
	},
	{
		Name: "far: over PostgREST times are cut to milliseconds", Why: "messages of the moment asked for come again, or not at all",
		File: "mapping/lookup/postgrestpast.go", Package: "mapping/lookup", Tests: []string{"TestRESTPastIsExact"},
		Old: "return quoteText(timeText(t))", New: "return quoteText(timeText(t.Truncate(time.Millisecond)))",
	},
	{
		Name: "far: over PostgREST messages that were not looked through are not told of", Why: "a conversation that changed is missing in silence",
		File: "mapping/lookup/postgrestpast.go", Package: "mapping/lookup", Tests: []string{"TestRESTPastTouched"},
		Old: "\t\tmore = more || cut\n", New: "\t\t_ = cut\n",
	},
	{
		Name: "far: over PostgREST `where:` is asked for with any words", Why: "rows that the mapping wants are missing, or every reading fails",
		File: "mapping/lookup/postgrestshape.go", Package: "mapping/lookup", Tests: []string{"TestRESTPastWhere"},
		Old: "\t\t\tok = ok && (form == nil || form.MatchString(w))\n", New: "\t\t\t_, _ = form, w\n",
	},
	{
		Name: "far: over PostgREST a text column of JSON is asked for places inside it", Why: "every reading fails",
		File: "mapping/lookup/postgrestshape.go", Package: "mapping/lookup", Tests: []string{"TestRESTPastWhere"},
		Old: "if kind == \"json\" || kind == \"jsonb\" {", New: "if kind != \"\" {",
	},
	{
		Name: "far: addresses are counted without their escapes", Why: "ids that a client made up have every reading refused",
		File: "mapping/lookup/postgrestplain.go", Package: "mapping/lookup", Tests: []string{"TestRESTPastOfTexts"},
		Old: "len(url.QueryEscape(quoteText(s) + \",\"))", New: "len(quoteText(s))",
	},
	{
		Name: "far: a row that is too large is not told of", Why: "it is gone in silence",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadTooLarge"},
		Old: "\t\t\trest, err = append(rest, all(ask)), nil\n", New: "\t\t\terr = nil\n",
	},
	{
		Name: "far: rows that are too large together are a failure", Why: "one large row has nobody caught up",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadTooLarge"},
		Old: "\tif errors.Is(err, lookup.ErrTooLarge) {\n\t\treturn err // the database answers\n\t}\n", New: "",
	},
	{
		Name: "far: look-ups leave the rate of requests to catching up", Why: "the project is asked twice as much as it is to be",
		File: "bridge/new_far.go", Package: "bridge", Tests: []string{"TestPaced"},
		Old: "\t\tp.limit.Allow()\n", New: "",
	},
	{
		Name: "hub: an offset proves what another process still had to send", Why: "a client that is cut early, and comes to another bridge, lacks messages in silence",
		File: "bridge/hub/client.go", Package: "bridge/hub", Tests: []string{"TestRestartBeforeItHadRead"},
		Old: "		c.from = h.owedFrom(c.claim, began, c.Owed)\n", New: "",
	},
	{
		Name: "hub: what a client received long after its session began proves nothing", Why: "after a restart each client is told of gaps that it does not have",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestRestartBeforeItHadRead"},
		Old: "|| claim.Commit.After(began.Add(replay.Slack)) ||", New: "||",
	},
	{
		Name: "hub: of what is owed from before an offset the window is not told", Why: "what of the window the log had pushed out is gone in silence",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestModelAgain"},
		Old: "			if c.from == c.claim {\n				g = h.covered", New: "			if true {\n				g = h.covered",
	},
	{
		Name: "hub: a gap that was sent to a broken connection counts as told", Why: "a client that was cut does not hear of what it lacks",
		File: "bridge/hub/client.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "\t\th.repeatGaps(c, prior)\n", New: "",
	},
	{
		Name: "hub: who was away hears of no gap", Why: "what the source lost while a client was away is lost to it in silence",
		File: "bridge/hub/client.go", Package: "bridge/hub", Tests: []string{"TestSourceGapIsTold"},
		Old: "\th.noteLosses(c, prior, now)\n", New: "",
	},
	{
		Name: "hub: an offset older than the log is taken for a new client's", Why: "a client that was away for longer than the log is not told",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestAwayForLongerThanTheLog"},
		Old: "f.Above(at) {\n", New: "f.Above(at) && false {\n",
	},
	{
		Name: "hub: a promise begins at what the log holds no more", Why: "clients that connect under steady traffic are told of gaps that are none",
		File: "bridge/replay/log.go", Package: "bridge/hub", Tests: []string{"TestWindowGoesOnWhileAClientConnects"},
		Old: "	old := l.since(now) - l.opts.Window - Slack\n	for range limit {", New: "	old := l.since(now) - l.opts.Window + time.Second\n	for range limit {",
	},
	{
		Name: "hub: publishing waits for nobody", Why: "a transaction larger than the log loses rows for clients that were there all along",
		File: "bridge/hub/publish.go", Package: "bridge/hub", Tests: []string{"TestTransactionLargerThanTheLog"},
		Old: "	h.awaitReaders(ev.Packet.Size()) // unlocks meanwhile\n", New: "",
	},
	{
		Name: "hub: publishing waits for clients that do not read", Why: "one client that does not read holds everybody's events back",
		File: "bridge/hub/publishwait.go", Package: "bridge/hub", Tests: []string{"TestTransactionLargerThanTheLog"},
		Old: "	return !p.slow\n", New: "	return true\n",
	},
	{
		Name: "hub: publishing waits without an end", Why: "one slow client holds everybody's events back for ever",
		File: "bridge/hub/publishwait.go", Package: "bridge/hub", Tests: []string{"TestWaitingIsBounded"},
		Old: "		if h.pause.remaining(began) <= 0 {\n", New: "		if false {\n",
	},
	{
		Name: "hub: a subscription that was taken back is read on", Why: "subscribing again and again costs everybody",
		File: "bridge/hub/subscribe.go", Package: "bridge/hub", Tests: []string{"TestSubscribeAgainAndAgain"},
		Old: "	delete(c.subscriptions, conversation)\n	c.drop(e)\n", New: "	delete(c.subscriptions, conversation)\n",
	},
	{
		Name: "hub: a client stays in the room of a conversation that it gave back", Why: "it is sent messages that it did not ask for",
		File: "bridge/hub/subscribe.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "		c.socket.Leave(c.tenant.rooms[conversation].room.roomOf(c))\n", New: "",
	},
	{
		Name: "hub: giving the last subscription back opens nothing", Why: "a client without subscriptions sees no messages",
		File: "bridge/hub/subscribe.go", Package: "bridge/hub", Tests: []string{"TestModel"}, Args: model,
		Old: "	c.all = extent{from: at, next: at, joined: true, since: h.proof(c), promised: time.Now()}\n	_ = c.socket.Join(c.tenant.open.roomOf(c))\n", New: "	c.all = extent{from: at, next: at, joined: true, since: h.proof(c), promised: time.Now()}\n",
	},
	{
		Name: "hub: an event is published twice", Why: "a transaction that the source begins again comes twice",
		File: "bridge/hub/publish.go", Package: "bridge/api", Tests: []string{"TestRepeatedEventsAreDropped"},
		Old: "if ev.Position.Compare(h.log.Head()) <= 0 {", New: "if ev.Position.Compare(h.log.Head()) < 0 {",
	},
	{
		Name: "hub: a mark is sent too early", Why: "the gateway takes a client that is still owed something for caught up",
		File: "bridge/hub/pump.go", Package: "bridge/hub", Tests: []string{"TestMarkWaits"},
		Old: "case len(c.marks) > 0 && c.scope != scopeUndecided:", New: "case len(c.marks) > 0:",
	},
	{
		Name: "hub: sessions of clients that left give no room", Why: "whoever comes and goes takes all the memory for a minute",
		File: "bridge/hub/memory.go", Package: "bridge/api", Tests: []string{"TestSessionsThatLeftAreBounded"},
		Old: "\th.sumUpSaved(bound - more)\n", New: "",
	},
	{
		Name: "hub: a session that gave room is owed nothing", Why: "what a client was still owed when it was cut never comes",
		File: "bridge/hub/memory.go", Package: "bridge/hub", Tests: []string{"TestCutBeforeItHadReadASubscription"},
		Old: "		sum.from = min(sum.from, e.from)\n", New: "		sum.from = max(sum.from, e.from+1<<40)\n",
	},
	{
		Name: "hub: whoever comes last is refused", Why: "a workspace that takes all the memory for subscriptions leaves none to others",
		File: "bridge/hub/memory.go", Package: "bridge/api", Tests: []string{"TestOneWorkspaceTakesNotAllSubscriptions"},
		Old: "	if c.tenant.bytes+more <= bound/int64(workspaces) && h.memory.bytes+more <= 2*bound {\n", New: "	if false {\n",
	},
	{
		Name: "api: the CONNECT payload stays", Why: "a client keeps as much memory as it likes to send in its CONNECT",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestAConnectPayloadIsNotKept"},
		Old: "	socket.ForgetAuth() // it has been judged\n", New: "",
	},
	{
		Name: "handover: subscriptions of any size are kept", Why: "a client keeps a hundred megabytes for as long as it is connected",
		File: "bridge/gateway/handover/feed.go", Package: "bridge/gateway/handover", Tests: []string{"TestSubscriptionsOfAFeedAreBounded"},
		Old: " || len(packet) > maxSubscription {", New: " {",
	},
	{
		Name: "typing: any conversation passes", Why: "a client says that somebody types in a conversation of another workspace",
		File: "bridge/api/typing.go", Package: "bridge/api", Tests: []string{"TestTypingIsDroppedForConversationsOfOthers"},
		Old: "	case !has:\n		return errUnknownConversation\n", New: "	case !has:\n",
	},
	{
		Name: "gateway: an answer 101 that nobody asked for is not closed", Why: "each leaves a descriptor until the collector finds it",
		File: "bridge/gateway/http.go", Package: "bridge/gateway", Tests: []string{"TestOnlyWebSocketsAreTunnelled"},
		Old: "		return errSwitched\n", New: "		_ = errSwitched\n",
	},
	{
		Name: "engineio: an idle writer keeps what it wrote last", Why: "events of megabytes stay in memory until there are others",
		File: "socketio/engineio/writer.go", Package: "socketio/stress", Tests: []string{"TestReaderOfNothing"},
		Old: "		w.letGo()\n", New: "",
	},
	{
		Name: "typing: questions without end", Why: "one workspace's clients keep the database busy with questions about conversations that there are not",
		File: "bridge/api/typing.go", Package: "bridge/api", Tests: []string{"TestTypingAsksABoundedNumberOfQuestions"},
		Old: "	return q.AllowN(now, 1)\n", New: "	return true\n",
	},
	{
		Name: "hub: losses of many are told to all", Why: "clients are told of gaps of other workspaces",
		File: "bridge/hub/loss.go", Package: "bridge/hub", Tests: []string{"TestLossesOfOthersAreNotTold"},
		Old: "len(ls.of) >= maxLossWorkspaces {", New: "len(ls.of) >= 2 {",
	},
	{
		Name: "hub: losses past the bound are forgotten", Why: "a client that comes back is not told of what it lacks",
		File: "bridge/hub/loss.go", Package: "bridge/hub", Tests: []string{"TestLossesOfManyWorkspaces"},
		Old: "				o.workspace, o.conversation = \"\", \"\"\n				ls.all = appendLoss(ls.all, o, maxLosses)\n", New: "				o.workspace, o.conversation = \"\", \"\"\n",
	},
	{
		Name: "replay: a workspace lacks what others have lost", Why: "clients that come back to a quiet workspace are told of gaps of others",
		File: "bridge/replay/log.go", Package: "bridge/hub", Tests: []string{"TestEvictionsOfOthersAreNotTold"},
		Old: "	l.forgotten[s.Workspace] = floor\n", New: "	l.floor = l.floor.Later(floor)\n",
	},
	{
		Name: "hub: a gap is counted each time it is told", Why: "an operator sees more lost than was",
		File: "bridge/hub/gap.go", Package: "bridge/hub", Tests: []string{"TestAGapIsCountedOnce"},
		Old: "	if !g.counted {\n", New: "	if true {\n",
	},
	{
		Name: "replay: no workspace has a share", Why: "one tenant's flood fills the log",
		File: "bridge/replay/log.go", Package: "bridge/hub", Tests: []string{"TestAWorkspacesShareOfTheLog"},
		Old: "	for l.overShare(s) {\n", New: "	for false {\n",
	},
	{
		Name: "hub: every client waits for the lock by itself", Why: "one tenant's clients that are caught up hold back everybody's events",
		File: "bridge/hub/locktimes.go", Package: "bridge/hub", Tests: []string{"TestOneWorkspaceCostsOthersLittle", "TestPublishingIsNotOvertaken"},
		Old: "	of.Lock()\n	h.turns.all.Lock()\n	h.lockNext()\n	return func() {\n		// The last one that is woken is the next one that Go's scheduler runs: that is\n		// to be who waits for mu.\n		of.Unlock()\n		h.turns.all.Unlock()\n",
		New: "	_ = of\n	h.lock()\n	return func() {\n",
	},
	{
		Name: "hub: clients overtake publishing", Why: "a neighbour's events wait for hundreds of clients of one tenant, one after the other",
		File: "bridge/hub/locktimes.go", Package: "bridge/hub", Tests: []string{"TestPublishingIsNotOvertaken"},
		Old: "	h.lockNext()\n	return func() {\n		// The last one that is woken is the next one that Go's scheduler runs: that is\n		// to be who waits for mu.\n		of.Unlock()\n		h.turns.all.Unlock()\n		h.unlock()\n",
		New: "	h.lock()\n	return func() {\n		h.unlock()\n		h.turns.all.Unlock()\n		of.Unlock()\n",
	},
	{
		Name: "hub: one workspace's catching up has no rate", Why: "one tenant's clients that come at once take the processor from others",
		File: "bridge/hub/limits.go", Package: "bridge/hub", Tests: []string{"TestAWorkspacesCatchUp"},
		Old: "	if rate <= 0 {\n", New: "	if true {\n",
	},
	{
		Name: "hub: one workspace has all the waiting", Why: "one tenant's clients hold back everybody's events for as long as all may",
		File: "bridge/hub/publishwait.go", Package: "bridge/hub", Tests: []string{"TestAWorkspacesPause"},
		Old: "		if t.pause.remaining(began) <= 0 {\n", New: "		if false {\n",
	},
	{
		Name: "hub: a workspace subscribes without end", Why: "limits.workspace.subscriptions holds nobody",
		File: "bridge/hub/subscribe.go", Package: "bridge/hub", Tests: []string{"TestAWorkspacesSubscriptions"},
		Old: "most > 0 && c.tenant.subscriptions >= most {", New: "most < 0 {",
	},
	{
		Name: "api: a full workspace refuses for good", Why: "a client that finds its workspace full never comes back",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestAFullWorkspaceSendsClientsAway"},
		Old: "		s.counters.tokenRefused(workspaceFull)\n		return nil, socketio.ErrRetry\n", New: "		s.counters.tokenRefused(workspaceFull)\n		return nil, &socketio.ConnectError{Message: \"full\"}\n",
	},
	{
		Name: "socketio: a large event waits for room that there never is", Why: "an event larger than the queue makes every client deaf",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestMessageLargerThanTheQueue"},
		Old: "case s.depth > 0 && s.size+len(m.frames) > l.QueueBytes:", New: "case s.size+len(m.frames) > l.QueueBytes:",
	},
	{
		Name: "socketio: a paused session is broadcast to", Why: "a client that is being caught up gets events out of order",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestPause"},
		Old: "case broadcast && s.paused:", New: "case broadcast && false:",
	},
}
