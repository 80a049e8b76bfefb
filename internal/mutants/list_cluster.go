package mutants

// clusterModel are the flags with which the model finds what it is to find.
var clusterModel = []string{"-cluster.seeds=400"}

// cluster: what several bridges give their clients while Redis and bridges come and go.
var cluster = []Mutant{
	{
		Name: "cluster: a bare XADD", Why: "after a failover of Redis the stream has a hole that nothing tells of",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestAppendComparesFirst", "TestALostTailIsNoHole"},
		Old: "if at ~= ARGV[1] then return at end\n", New: "",
	},
	{
		Name: "cluster: confirmed before it is in Redis", Why: "what a leader had published when it died reaches no other bridge",
		File: "bridge/cluster/leader_append.go", Package: "bridge/cluster", Tests: []string{"TestModel"}, Args: clusterModel,
		Old: "\tif rest := l.backlog.after(l.cursor, 0); len(rest) > 0 {\n\t\treturn min(l.through, rest[0].id.Commit)\n\t}\n\treturn l.through\n", New: "\treturn 1 << 62\n",
	},
	{
		Name: "cluster: a refused append counts as done", Why: "what Redis lost is appended again with the next beat only, up to a second later",
		File: "bridge/cluster/leader_append.go", Package: "bridge/cluster", Tests: []string{"TestWhatRedisLostIsAppendedAgainAtOnce"},
		Old: "if want := a.ID; answer != want {", New: "if want := a.ID; false && answer != want {",
	},
	{
		Name: "cluster: an edge does not look for holes", Why: "a bridge that was slower than the trimming skips events in silence",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestAnEdgeThatFellBehindBeginsAnew"},
		Old: "if entry.Prev.After(e.cover) {", New: "if false {",
	},
	{
		Name: "cluster: a replaced leader takes back what is proven", Why: "after it and Redis have gone, edges drop what they have",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestAppendComparesFirst"},
		Old: "then through = t end", New: "then through = through end",
	},
	{
		Name: "cluster: a beat of before counts as a leader that lives", Why: "a bridge serves what an empty Redis was refilled over",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestABeatOfBeforeIsNoLeader"},
		Old: "s.Joined = s.Joined || e.live && !behind", New: "s.Joined = s.Joined || !behind",
	},
	{
		Name: "cluster: what was read back counts as a transaction", Why: "the next leader does not find it in the database, and everybody is told of another history",
		File: "bridge/cluster/delivered.go", Package: "bridge/cluster", Tests: []string{"TestWhatWasDelivered"},
		Old: "r.Kind == Published && r.ID.Commit%8 == 0", New: "r.Kind == Published",
	},
	{
		Name: "cluster: a session is kept at its end only", Why: "the clients of a bridge that is killed all begin anew",
		File: "bridge/api/elsewhere.go", Package: "bridge", Tests: []string{"TestABridgeIsKilled"},
		Old: "\tstored := k.Keep(socket.PID(), func() ([]byte, bool) {\n", New: "\tselect {\n\tcase <-socket.Done():\n\tdefault:\n\t\treturn\n\t}\n\tk.Keep(socket.PID(), func() ([]byte, bool) {\n",
	},
	{
		Name: "cluster: a subscription does not wait for what is kept", Why: "a client goes on at another bridge without a conversation that it has subscribed to",
		File: "bridge/cluster/sharedsession.go", Package: "bridge/cluster", Tests: []string{"TestModel"}, Args: clusterModel,
		Old: "\tstale := k.resumable\n", New: "\tstale := false\n",
	},
	{
		Name: "cluster: an older session of this bridge counts", Why: "a client that has been elsewhere meanwhile goes on without what it subscribed to there",
		File: "bridge/cluster/sharedsession.go", Package: "bridge/cluster", Tests: []string{"TestModel"}, Args: clusterModel,
		Old: "\treturn !k.written || asked", New: "\treturn true || asked",
	},
	{
		Name: "cluster: anybody goes on with a session", Why: "a user who has learnt a private id takes another's session",
		File: "bridge/api/elsewhere.go", Package: "bridge", Tests: []string{"TestSessionsGoOnElsewhere"},
		Old: "body.Workspace != c.Workspace || body.User != c.User {", New: "false {",
	},
	{
		Name: "cluster: what Redis may have lost counts", Why: "after a failover of Redis a client goes on with fewer subscriptions than it has",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestWhatRedisMayHaveLostIsNotSound"},
		Old: "string.sub(kept, 17, 56) == run and 1 or 0", New: "1",
	},
	{
		Name: "cluster: a master that was a replica meanwhile has lost nothing", Why: "after a second failover of Redis a client goes on with fewer subscriptions than it has",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestWhatAFormerMasterWasToldIsNotSound"},
		Old: "'master_replid:(%x+)'", New: "'no_replid:(%x+)'",
	},
	{
		Name: "cluster: a slot that has come back has lost nothing", Why: "after a failover in a Redis Cluster, and a move, a client goes on with fewer subscriptions than it has",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestTheSlotIsMoved"},
		Old: "'_mode:cluster'", New: "'_mode:none'",
	},
	{
		Name: "cluster: a dead master is asked for a minute", Why: "after a failover in a Redis Cluster nothing of a client's session is found or kept",
		File: "bridge/cluster/servers.go", Package: "bridge/cluster", Tests: []string{"TestRedisCluster"},
		Old: "c.AddHook(reloading{c})", New: "_ = reloading{c}",
	},
	{
		Name: "cluster: the first server that answers is believed", Why: "one that slept through a failover in a Redis Cluster leads the bridges to itself",
		File: "bridge/cluster/servers.go", Package: "bridge/cluster", Tests: []string{"TestTheNewestAnswerIsBelieved"},
		Old: "return m.epoch > other.epoch", New: "return false",
	},
	{
		Name: "cluster: a bridge that does not hear itself stays", Why: "after a failover of Redis it hears nobody, and never notices",
		File: "bridge/cluster/bus.go", Package: "bridge/cluster", Tests: []string{"TestASilentServerIsLeft"},
		Old: "if now.Sub(received) >= deafAfter {", New: "if false && now.Sub(received) >= deafAfter {",
	},
	{
		Name: "cluster: bridges of another database are obeyed", Why: "clients of two clusters of one name are told of each other, and closed by each other's members",
		File: "bridge/cluster/bus.go", Package: "bridge/cluster", Tests: []string{"TestNodesOfAnotherDatabaseAreNotObeyed"},
		Old: "case n.Of.IsZero() || n.Of != b.opts.Shared.History():", New: "case false:",
	},
	{
		Name: "cluster: two databases have one key", Why: "the leaders of two clusters of one name overwrite each other's beats, and edges are given foreign gaps",
		File: "bridge/cluster/redis.go", Package: "bridge/cluster", Tests: []string{"TestKeysOfTwoDatabasesDoNotMeet"},
		Old: "return prefix + h.String() + \":\" + name", New: "return prefix + name",
	},
	{
		Name: "cluster: places of another database of the server count", Why: "a bridge goes on in another database's history",
		File: "bridge/cluster/epoch.go", Package: "bridge/cluster", Tests: []string{"TestAnotherDatabaseIsAnotherHistory"},
		Old: "return e.History() == before.History() && e.Count == before.Count", New: "return e.System == before.System && e.Count == before.Count",
	},
	{
		Name: "cluster: a request is passed on again", Why: "bridges that take each other for another one pass a request on for ever",
		File: "bridge/cluster_forward.go", Package: "bridge", Tests: []string{"TestRequestsArePassedOn"},
		Old: "\t\t\tnext.ServeHTTP(w, f.arrived(w, r, shown))\n\t\t\treturn\n", New: "\t\t\tr = f.arrived(w, r, shown)\n",
	},
	{
		Name: "cluster: whoever says so has passed it on", Why: "a client chooses the address that limits and lists of addresses see",
		File: "bridge/cluster_forward.go", Package: "bridge", Tests: []string{"TestRequestsArePassedOn"},
		Old: "if err != nil || !hmac.Equal(got, cluster.ForwardProof(f.secret, r.Method, r.URL.RequestURI(), address)) {", New: "if err != nil && len(got) > 1000 {",
	},
	{
		Name: "cluster: a full Redis counts as a leader that is well", Why: "edges serve nothing new for as long as Redis is full, and look healthy",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestAFullRedisIsNoLeader"},
		Old: "if !other && b.Stuck >= beatTimeout {", New: "if false {",
	},
	{
		Name: "cluster: a new leader goes on at its head without what it has", Why: "what Redis lacks of that is nowhere any more, and edges have to begin anew",
		File: "bridge/cluster/node.go", Package: "bridge/cluster", Tests: []string{"TestANewLeaderGoesOnWhereTheOneBeforeWas", "TestModel"}, Args: clusterModel,
		Old: "\t\trecords = &n.edge.backlog\n", New: "\t\trecords = nil\n",
	},
	{
		Name: "cluster: a new leader goes on at its head in another history", Why: "what that has before is skipped in silence",
		File: "bridge/cluster/node.go", Package: "bridge/cluster", Tests: []string{"TestAPlaceInAnotherHistory"},
		Old: "n.historyInRedis(ctx) != e.Epoch {", New: "n.historyInRedis(ctx).IsZero() {",
	},
	{
		Name: "cluster: what was taken over stays in a history that it is not of", Why: "edges are given events of a history that has ended",
		File: "bridge/cluster/leader_sync.go", Package: "bridge/cluster", Tests: []string{"TestAPlaceInAnotherHistory"},
		Old: "if l.restarts == 0 && l.opts.backlog != nil {", New: "if false {",
	},
	{
		Name: "cluster: an edge that is to lead waits for its read", Why: "all clients of the cluster wait half a second longer for the next leader",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestAnEdgeThatIsToLeadDoesNotWaitForItsRead"},
		Old: "\tdefer context.AfterFunc(ctx, func() { _ = store.Close() })()\n", New: "",
	},
	{
		Name: "cluster: an edge does not look at rows", Why: "a text that was sent through an edge is told as failed although its row is there",
		File: "bridge/cluster.go", Package: "bridge", Tests: []string{"TestARowTellsAnEdgeWhatBecameOfAText"},
		Old: "\t\ts.observe(r)\n", New: "",
	},
	{
		Name: "cluster: an edge that is cut off takes sessions", Why: "they get nothing, while the leader serves",
		File: "bridge/cluster_health.go", Package: "bridge", Tests: []string{"TestNewSessionsWhileNoLeaderIsHeard"},
		Old: "\treturn api.Unheard\n", New: "\treturn api.Heard\n",
	},
	{
		Name: "cluster: what stands in the stream is believed", Why: "an entry that nobody wrote stops all edges, and everything looks healthy",
		File: "bridge/cluster/leader_sync.go", Package: "bridge/cluster", Tests: []string{"TestWhatNoBridgeWrote"},
		Old: "\tif !last.IsZero() && !l.replace {\n", New: "\tif false {\n",
	},
	{
		Name: "cluster: who may have lost the slot clears the stream", Why: "a bridge that was replaced removes what the next leader writes",
		File: "bridge/cluster/doubt.go", Package: "bridge/cluster", Tests: []string{"TestNothingIsRemovedWithoutTheSlot"},
		Old: "return db, err == nil && db.Ours", New: "return db, err == nil",
	},
	{
		Name: "cluster: Redis is filled again without a pause", Why: "a Redis that evicts costs both all they have",
		File: "bridge/cluster/doubt.go", Package: "bridge/cluster", Tests: []string{"TestARedisThatEvicts"},
		Old: "l.holdUntil = now.Add(l.pause.Next())", New: "l.pause.Next()",
	},
	{
		Name: "cluster: a leader without events has nothing to lose", Why: "clients that came to it before the first one miss what another bridge published until it leads again, in silence",
		File: "bridge/cluster/leader_stats.go", Package: "bridge/cluster", Tests: []string{"TestALeaderWithoutEventsThatLeadsAgain"},
		Old: "slices.MaxFunc([]ID{l.given, through, startOf(l.through), {Sub: 1}}, ID.Compare)", New: "slices.MaxFunc([]ID{l.given, through}, ID.Compare)",
	},
	{
		Name: "cluster: an edge that leads trusts what it has read", Why: "its clients do not get what comes before an entry that nobody wrote",
		File: "bridge/cluster/leader_records.go", Package: "bridge/cluster", Tests: []string{"TestAnEdgeThatLeadsAfterWhatWasNotTrue"},
		Old: "if l.seen.missed(r.ID) {", New: "if false {",
	},
	{
		Name: "cluster: sessions in Redis have no bound", Why: "one client's sessions fill Redis, and the edges get nothing more",
		File: "bridge/cluster/sessionbytes.go", Package: "bridge/cluster", Tests: []string{"TestOneWorkspaceFillsRedisWithSessions"},
		Old: "s.workspaces[workspace]+more <= s.bytes-s.used-more", New: "true",
	},
}
