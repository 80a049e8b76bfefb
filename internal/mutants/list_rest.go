package mutants

// restInterface: what is asked for over HTTP comes from one workspace, completely, and
// costs nobody else anything.
var restInterface = []Mutant{
	{
		Name: "rest: a page is of any workspace", Why: "rows of another workspace that name a conversation are shown",
		File: "mapping/lookup/paststatements.go", Package: "mapping/lookup", Tests: []string{"TestPage"},
		Old: `one := fmt.Sprintf("m.%s%s = $1::%s and m.%s%s = %s", conv, s.conversation.cast, s.conversation.name, ws, s.workspace.cast, workspace(2))`,
		New: `one := fmt.Sprintf("m.%s%s = $1::%s and (m.%s%s = %s or true)", conv, s.conversation.cast, s.conversation.name, ws, s.workspace.cast, workspace(2))`,
	},
	{
		Name: "rest: a page ends within a millisecond", Why: "who goes on from its last time lacks what was made in the same one",
		File: "mapping/lookup/paststatements.go", Package: "mapping/lookup", Tests: []string{"TestPage"},
		Old: `(select date_trunc('milliseconds', m.%s) + interval '1 millisecond' from`, New: `(select date_trunc('milliseconds', m.%s) from`,
	},
	{
		Name: "rest: what may be known takes the place of what is new", Why: "a client that asks for one message at a time never gets on",
		File: "mapping/lookup/past.go", Package: "mapping/lookup", Tests: []string{"TestPage", "TestPageAgain"},
		Old: `next, known := since.Add(time.Millisecond), []byte(timeText(since))`, New: `next, known := since.Add(time.Microsecond), []byte(timeText(since))`,
	},
	{
		Name: "rest: nothing comes again", Why: "a message that was committed late is never shown",
		File: "mapping/lookup/past.go", Package: "mapping/lookup", Tests: []string{"TestPageAgain"},
		Old: "	Again = 5 * time.Second\n", New: "	Again = 0 * time.Second\n",
	},
	{
		Name: "rest: old messages come again", Why: "each poll of a quiet conversation repeats its last messages",
		File: "mapping/lookup/past.go", Package: "mapping/lookup", Tests: []string{"TestPageAgain"},
		Old: "	Young = time.Minute\n", New: "	Young = 100 * time.Hour\n",
	},
	{
		Name: "rest: a table that was away stays away", Why: "after a migration nothing is read until the bridge is started again",
		File: "mapping/lookup/past.go", Package: "mapping/lookup", Tests: []string{"TestPastAfterATableWasAway"},
		Old: "	p.fetcher.known = false\n", New: "",
	},
	{
		Name: "rest: an answer may have any size", Why: "a few requests take all of the memory",
		File: "bridge/far/page.go", Package: "bridge/far", Tests: []string{"TestPagesAreBounded"},
		Old: `if page.Bytes >= pageBytes {`, New: `if page.Bytes >= 100*pageBytes {`,
	},
	{
		Name: "rest: an answer ends by its size within a millisecond", Why: "who goes on from its last time lacks messages",
		File: "bridge/far/page.go", Package: "bridge/far", Tests: []string{"TestPagesAreBounded"},
		Old: `together := kind == partMessages && first.At.Equal(last)`, New: `together := kind == partMessages && first.At.Equal(last) && false`,
	},
	{
		Name: "rest: the client names the workspace", Why: "any token shows the rows of every workspace",
		File: "bridge/rest/messages.go", Package: "bridge/rest", Tests: []string{"TestParameters", "TestIsolation"},
		Old: `x.h.opts.Tables.Messages(ctx, x.principal.Workspace, conversation`, New: `x.h.opts.Tables.Messages(ctx, max(x.principal.Workspace, query.Get("workspaceId")), conversation`,
	},
	{
		Name: "rest: lists are shared by all", Why: "a workspace gets another's conversations",
		File: "bridge/rest/handler.go", Package: "bridge/rest", Tests: []string{"TestListsAreShared"},
		Old: `h.lists.Do(workspace, func`, New: `h.lists.Do("", func`,
	},
	{
		Name: "rest: a refused token is let in", Why: "anybody reads everything",
		File: "bridge/rest/handler.go", Package: "bridge/rest", Tests: []string{"TestTokens"},
		Old: "	if !x.authenticate() {\n", New: "	if !x.authenticate() && x.status != 401 {\n",
	},
	{
		Name: "rest: escapes in paths are decoded", Why: "a path that a proxy in front took for another is answered",
		File: "bridge/rest/handler.go", Package: "bridge/rest", Tests: []string{"TestPaths"},
		Old: `path, method := access.RawPath(r), r.Method`, New: `path, method := access.RawPath(r), r.Method; path = r.URL.Path`,
	},
	{
		Name: "rest: a semicolon separates parameters", Why: "a since with one is dropped in silence, and all comes",
		File: "bridge/rest/handler.go", Package: "bridge/rest", Tests: []string{"TestParameters"},
		Old: `strings.ReplaceAll(x.r.URL.RawQuery, ";", "%3B")`, New: `strings.ReplaceAll(x.r.URL.RawQuery, ";", "&")`,
	},
	{
		Name: "rest: bodies of requests that read are waited for", Why: "a slow body holds a connection for ever",
		File: "bridge/rest/handler.go", Package: "bridge/rest", Tests: []string{"TestSlowBodies"},
		Old: "	if x.unread {\n", New: "	if x.unread && x.status == 0 {\n",
	},
	{
		Name: "rest: a client that takes nothing is waited for", Why: "its answer stays in memory for ever",
		File: "bridge/rest/answer.go", Package: "bridge/rest", Tests: []string{"TestClientsThatTakeNothing"},
		Old: "	_ = control.SetWriteDeadline(until) // one that cannot is a test's\n", New: "	_ = until\n",
	},
	{
		Name: "rest: one user has all places", Why: "a script of one user keeps the others of its workspace out",
		File: "bridge/rest/shares.go", Package: "bridge/rest", Tests: []string{"TestUnderWay"},
		Old: `|| s.users[user] >= userAtOnce ||`, New: `||`,
	},
	{
		Name: "rest: users of two workspaces have one share", Why: "one workspace's user keeps another's out",
		File: "bridge/rest/shares.go", Package: "bridge/rest", Tests: []string{"TestShares", "TestUnderWay"},
		Old: "	user = workspace + \"\\x00\" + user\n", New: "",
	},
	{
		Name: "rest: a user may ask at any rate", Why: "a script of one user takes the database for itself",
		File: "bridge/rest/shares.go", Package: "bridge/rest", Tests: []string{"TestBurst", "TestShares"},
		Old: `if full.Sub(now) > burst*time.Second/perSecond {`, New: `if full.Sub(now) > 1e6*burst*time.Second/perSecond {`,
	},
	{
		Name: "rest: a workspace may have any answers in memory", Why: "one workspace's slow clients keep all others out",
		File: "bridge/rest/shares.go", Package: "bridge/rest", Tests: []string{"TestUnderWay"},
		Old: `of > 0 && of+n > workspaceBytes ||`, New: `of > 0 && of+n > answerBytes ||`,
	},
	{
		Name: "rest: a message is sent as whom the client names", Why: "a user sends for another workspace",
		File: "bridge/rest/send.go", Package: "bridge/rest", Tests: []string{"TestSend"},
		Old: `Workspace: p.Workspace, User: p.User, Session: x.session,`, New: `Workspace: p.Workspace, User: m.ReplyToID, Session: x.session,`,
	},
	{
		Name: "rest: the bridge answers for a ChatEngine that is up", Why: "clients see the database's words for ChatEngine's, and sends go the wrong way",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestRest"},
		Old: `g.State() == Local && g.answers(r)`, New: `g.answers(r)`,
	},
	{
		Name: "rest: a POST that ChatEngine failed is done again", Why: "a message is sent twice",
		File: "bridge/gateway/rest.go", Package: "bridge/gateway", Tests: []string{"TestRestRescue"},
		Old: `(r.Method == http.MethodGet || r.Method == http.MethodHead) && g.answers(r)`, New: `g.answers(r)`,
	},
	{
		Name: "rest: the operator's order is not heeded", Why: "hold-upstream does not turn it off",
		File: "bridge/gateway/rest.go", Package: "bridge/gateway", Tests: []string{"TestRestRescue"},
		Old: ` && g.Status().Mode != HoldUpstream`, New: ``,
	},
	{
		Name: "rest: a hanging ChatEngine is waited for", Why: "a request hangs although the bridge could answer",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestRestOfAFrozenChatEngine"},
		Old: "		g.reads.close(-1)\n", New: "",
	},
	{
		Name: "rest: an error of ChatEngine's own is covered", Why: "its 500 is hidden by another answer",
		File: "bridge/gateway/rest.go", Package: "bridge/gateway", Tests: []string{"TestRestBehindAProxy"},
		Old: `return status == http.StatusBadGateway ||`, New: `return status == http.StatusInternalServerError || status == http.StatusBadGateway ||`,
	},
	{
		Name: "rest: it is answered beside the Socket.IO path", Why: "no client gets a session any more",
		File: "bridge/routes.go", Package: "bridge", Tests: []string{"TestRESTBesideTheRest"},
		Old: `alone && rest.Below(r) && !access.Below(access.RawPath(r), d.cfg.Path)`, New: `alone && rest.Below(r)`,
	},
}
