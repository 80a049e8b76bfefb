package mutants

// absences: what is read from the tables for clients that were away for longer than the log.
var absences = []Mutant{
	{
		Name: "far: rows of every workspace", Why: "a client is sent rows of another workspace that name its conversation",
		File: "mapping/lookup/paststatements.go", Package: "mapping/lookup", Tests: []string{"TestPast"},
		Old: "k.conv and m.%s%s = \"", New: "k.conv and m.%s%s >= \"",
	},
	{
		Name: "far: what the bound leaves out is not said", Why: "a client that missed too much is not told",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestReadBounded"},
		Old: "	case more:\n", New: "	case more && len(keys) == 0:\n",
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
		Old: "	return append(ahead, keys...), rest, nil\n", New: "	return append(ahead[:0], keys...), rest, nil\n",
	},
	{
		Name: "far: too much of what is dated ahead counts as the log's", Why: "rows whose clock is ahead, and of which there are many, are in neither, in silence",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestReadAheadOfTheLog"},
		Old: "	case tooMany: ", New: "	case tooMany && more: ",
	},
	{
		Name: "far: rows are of when they are dated", Why: "rows of a transaction that began before the client left, and of which there are many, are gone in silence",
		File: "bridge/far/plan.go", Package: "bridge/far", Tests: []string{"TestReadBoundedBefore"},
		Old: "	case more:\n", New: "	case more && oldest(keys, ask.Until).After(left.Since):\n",
	},
	{
		Name: "far: a gap is told of last", Why: "a client that is cut before has a gap that its offset does not tell",
		File: "bridge/far/reader.go", Package: "bridge/far", Tests: []string{"TestReadBoundedBesideTheLog"},
		Old: "		if len(rest) > 0 && ask.LeftOut != nil {\n", New: "		if false {\n",
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
}
