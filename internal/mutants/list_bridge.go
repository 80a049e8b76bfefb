package mutants

// bridge: the daemon's waiting, who may have a session, and how long a token
// lasts.
var bridge = []Mutant{
	{
		Name: "expiry: without the grace", Why: "clients are cut off at the second at which their token is due to be renewed",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestExpiryEndsAfterTheGrace"},
		Old: `time.Until(expires.Add(grace))`, New: `time.Until(expires)`,
	},
	{
		Name: "expiry: armed for a client that has left", Why: "timers of clients that are gone pile up",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestExpiryOfAClientThatLeft"},
		Old: `if !e.stopped && !expires.IsZero()`, New: `if !expires.IsZero()`,
	},
	{
		Name: "expiry: tokens without an end end at once", Why: "ChatEngine's tokens without exp are thrown out",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestTokensThatKeepTheirClient"},
		Old: `!expires.IsZero() && grace >= 0`, New: `grace >= 0`,
	},
	{
		Name: "expiry: on_expiry keep is not heeded", Why: "clients are thrown out although the operator keeps them",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestTokensThatKeepTheirClient"},
		Old: `!expires.IsZero() && grace >= 0`, New: `!expires.IsZero()`,
	},
	{
		Name: "expiry: a fresh token does not move it", Why: "a client that renewed its token is thrown out all the same",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestAFreshTokenMovesTheEnd"},
		Old: "\ts.watchExpiry(c, socket, p.Expires)\n\treturn nil\n", New: "\treturn nil\n",
	},
	{
		Name: "expiry: the old timer stays", Why: "a client that renewed its token is thrown out at the old one's end",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestAFreshTokenMovesTheExpiry"},
		Old: "\t\te.timer.Stop()\n\t\te.timer = nil\n", New: "\t\te.timer = nil\n",
	},
	{
		Name: "expiry: another workspace's token is taken", Why: "a socket lives on by the right of another workspace",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestAFreshTokenMustBeTheSamePrincipals"},
		Old: `p.Workspace != c.principal.Workspace || p.User`, New: `p.User`,
	},
	{
		Name: "expiry: another user's token is taken", Why: "a socket lives on by the right of another user",
		File: "bridge/api/expiry.go", Package: "bridge/api", Tests: []string{"TestAFreshTokenMustBeTheSamePrincipals"},
		Old: `p.Workspace != c.principal.Workspace || p.User != c.principal.User`, New: `p.Workspace != c.principal.Workspace`,
	},
	{
		Name: "resume: by another workspace", Why: "one workspace is sent the events of another",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestResumeIsForItsOwner"},
		Old: `c.Workspace != prior.Workspace || c.User`, New: `c.User`,
	},
	{
		Name: "resume: by another user", Why: "whoever learns a session's id takes the session",
		File: "bridge/hub/session.go", Package: "bridge/hub", Tests: []string{"TestResumeIsForItsOwner"},
		Old: `c.Workspace != prior.Workspace || c.User != prior.User`,
		New: `c.Workspace != prior.Workspace`,
	},
	{
		Name: "resume: nobody asks the hub", Why: "sessions are restored by everybody, from offsets that the log does not hold",
		File: "bridge/api/elsewhere.go", Package: "bridge/api", Tests: []string{"TestAnotherHistory"},
		Old: `if !s.hub.Resume(c.Client, prior.Client, offset) {`,
		New: `if s.hub.Resume(c.Client, prior.Client, offset); false {`,
	},
	{
		Name: "warm-up: sessions do not wait", Why: "each client is sent every event of the window, not each thing's last state",
		File: "bridge/api/warmup.go", Package: "bridge/api", Tests: []string{"TestSessionsWaitForTheLog"},
		Old: `!u.source.CaughtUp() && time.Since`, New: `false && time.Since`,
	},
	{
		Name: "warm-up: what is late counts as filled", Why: "a source that is late by minutes lets its clients in",
		File: "bridge/source.go", Package: "bridge", Tests: []string{"TestCaughtUp"},
		Old: `h.LagBytes <= caughtUpBytes && h.Lag < 1`, New: `h.LagBytes <= caughtUpBytes`,
	},
	{
		Name: "warm-up: bytes do not count", Why: "a source that has yet to read the window lets its clients in",
		File: "bridge/source.go", Package: "bridge", Tests: []string{"TestCaughtUp"},
		Old: `h.LagBytes <= caughtUpBytes && h.Lag < 1`, New: `h.Lag < 1`,
	},
	{
		Name: "warm-up: without an end", Why: "without a database no client ever gets a session",
		File: "bridge/api/warmup.go", Package: "bridge/api", Tests: []string{"TestWarmupTimeout"},
		Old: `&& time.Since(began) < warmupTimeout`, New: `&& !began.IsZero()`,
	},
	{
		Name: "warm-up: open sessions wait too", Why: "polls of living sessions hang after a start",
		File: "bridge/api/warmup.go", Package: "bridge/api", Tests: []string{"TestOpenSessionsDoNotWait"},
		Old: `if isNewSession(r) {`, New: `if r.URL.Query().Has("EIO") {`,
	},
	{
		Name: "warm-up: feeds get an unfilled log", Why: "a client of ChatEngine's is told it has all it missed while the bridge has not read it",
		File: "bridge/api/admission.go", Package: "bridge/api", Tests: []string{"TestFeedsWaitForTheLog"},
		Old: `gateway.IsCatchUp(r.Header) && !source.CaughtUp()`, New: `gateway.IsCatchUp(r.Header) && source.Standby()`,
	},
	{
		Name: "standby: new sessions are served", Why: "clients of a bridge that stands by see nothing, and no load balancer knows",
		File: "bridge/api/admission.go", Package: "bridge/api", Tests: []string{"TestStandbyRefusesNewSessionsOnly"},
		Old: "\t\tcase source.Standby():\n", New: "\t\tcase source.Standby() && r.URL.Query().Has(\"none\"):\n",
	},
	{
		Name: "standby: open polling sessions are refused", Why: "they are cut off rather than let go in batches",
		File: "bridge/api/admission.go", Package: "bridge/api", Tests: []string{"TestStandbyRefusesNewSessionsOnly"},
		Old: "\t\tif !isNewSession(r) {\n\t\t\tnext", New: "\t\tif !source.Standby() && !isNewSession(r) {\n\t\t\tnext",
	},
	{
		Name: "standby: clients are kept", Why: "clients of a bridge that lost its slot hear nothing any more",
		File: "bridge/api/drain.go", Package: "bridge", Tests: []string{"TestABridgeThatLosesItsSlotLetsItsClientsGo"},
		Old: "s.Shed(drainBatch)", New: "s.Shed(0)",
	},
	{
		Name: "standby: another bridge's slot is a fault", Why: "the spare ends with a wrong configuration instead of waiting for its turn",
		File: "bridge/source_postgres_setup.go", Package: "bridge", Tests: []string{"TestStandby"},
		Old: `case strings.HasPrefix(f.ID, "slot."), f.ID == "server.walsenders"`, New: `case f.ID == "server.walsenders"`,
	},
	{
		Name: "start: a database that is away is a fault", Why: "a bridge that starts before its database ends for good",
		File: "bridge/source_postgres_setup.go", Package: "bridge", Tests: []string{"TestNoDatabaseIsWaitedFor"},
		Old: `case err == nil, ctx.Err() != nil, errors.As(err, &setup):`, New: `case err == nil, ctx.Err() != nil, errors.As(err, &setup), err != nil:`,
	},
	{
		Name: "fresh: any transaction counts", Why: "the gateway joins the streams though what was just committed is not read",
		File: "bridge/source.go", Package: "bridge", Tests: []string{"TestFreshness"},
		Old: `h.LastTransaction != nil && h.LastTransaction.After(since)`, New: `h.LastTransaction != nil`,
	},
	{
		Name: "fresh: a quiet database is never fresh", Why: "without traffic every hand-back takes as long as it may",
		File: "bridge/source.go", Package: "bridge", Tests: []string{"TestFreshness"},
		Old: `|| time.Since(since) >= quietAfter`, New: `|| time.Since(since) >= 1000*quietAfter`,
	},
	{
		Name: "ready: a source that is long gone", Why: "load balancers send clients to a bridge that has no events",
		File: "bridge/ops/health.go", Package: "bridge/ops", Tests: []string{"TestReadiness"},
		Old: `away < grace`, New: `away < 1000*grace`,
	},
	{
		Name: "ready: standing by", Why: "load balancers send clients to a bridge that refuses them",
		File: "bridge/ops/health.go", Package: "bridge/ops", Tests: []string{"TestReadiness"},
		Old: `	case h.State == StateStandby:`, New: `	case h.State == StateStandby && h.FlowedUntil.IsZero():`,
	},
	{
		Name: "metrics: the lag of a source that is away", Why: "the alert for a bridge that is behind does not fire while the database is away",
		File: "bridge/ops/metrics_source.go", Package: "bridge/ops", Tests: []string{"TestSourceLag"},
		Old: `	case !h.Flowing:`, New: `	case !h.Flowing && h.Lag == 0:`,
	},
	{
		Name: "watchdog: a call that does not return", Why: "a bridge that hangs is not restarted",
		File: "bridge/ops/handlercalls.go", Package: "bridge/ops", Tests: []string{"TestProgress"},
		Old: `entered != ended && entered == p.last`, New: `entered == ended && entered != p.last`,
	},
}
