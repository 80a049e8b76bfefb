package mutants

// authentication: whose workspace a token opens.
var authentication = []Mutant{
	{
		Name: "auth: unsigned tokens", Why: "everybody reads every workspace",
		File: "bridge/auth/token.go", Package: "bridge/auth", Tests: []string{"TestBadTokens"},
		Old: `return t.method.Verify(t.signed, t.signature, key) == nil`, New: `return t.method.Verify(t.signed, t.signature, key) == nil || len(t.signature) == 0`,
	},
	{
		Name: "auth: any algorithm", Why: "tokens of weaker or unknown algorithms are judged",
		File: "bridge/auth/token.go", Package: "bridge/auth", Tests: []string{"TestBadTokens"},
		Old: `if !slices.Contains(algorithms, parsed.Method.Alg()) {`, New: `if slices.Contains(algorithms[:0], parsed.Method.Alg()) {`,
	},
	{
		Name: "auth: membership is not asked for", Why: "every user of the project reads every workspace",
		File: "bridge/auth/authenticator.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: "\tcase workspace == \"\":\n\t\treturn Principal{}, refuse(CodeNotMember,", New: "\tcase workspace == \"\" && user == \"\":\n\t\treturn Principal{}, refuse(CodeNotMember,",
	},
	{
		Name: "auth: a failed question is a yes", Why: "while the database is away every user reads every workspace",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: "\t\tm.failed.Add(1)\n\t\treturn \"\", err\n", New: "\t\tm.failed.Add(1)\n\t\treturn key.Workspace, nil\n",
	},
	{
		Name: "auth: a failed question is remembered as a no", Why: "a member is refused for a minute because the database was away for a moment",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: "\t\tm.failed.Add(1)\n", New: "\t\tm.failed.Add(1)\n\t\tm.store(key, memberAnswer{\"\", until}, dropped)\n",
	},
	{
		Name: "auth: a refusal is not remembered", Why: "a client that is refused asks the database as often as it likes",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: "\tif m.ttl <= 0 {\n", New: "\tif m.ttl <= 0 || a.workspace == \"\" {\n",
	},
	{
		Name: "auth: an answer is remembered for ever", Why: "who was put out of a workspace stays in it",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: `return a.workspace, ok && m.now().Before(a.until)`, New: `return a.workspace, ok`,
	},
	{
		Name: "auth: answers are the user's in every workspace", Why: "a member of one workspace reads all",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: `key := Membership{user, workspace}`, New: `key := Membership{user, ""}`,
	},
	{
		Name: "auth: the project's own keys are users", Why: "the public anon key opens the socket",
		File: "bridge/auth/authenticator.go", Package: "bridge/auth", Tests: []string{"TestBadTokens"},
		Old: `role == "anon" || role == "service_role"`, New: `role == "service_role"`,
	},
	{
		Name: "auth: expired tokens", Why: "a token that leaked is good for ever",
		File: "bridge/auth/claims.go", Package: "bridge/auth", Tests: []string{"TestBadTokens"},
		Old: `case !expires.IsZero() && !e.now.Before(expires.Add(e.leeway)):`, New: `case !expires.IsZero() && e.now.IsZero():`,
	},
	{
		Name: "auth: with one secret for both, the session's user names the workspace", Why: "every user of the project reads every workspace",
		File: "bridge/auth/secrets.go", Package: "bridge/auth", Tests: []string{"TestOneSecretForBoth"},
		Old: `if workspace, ok := t.claims.firstID(workspaceClaims...); ok && workspace == "" {`, New: `if workspace, ok := t.claims.firstID(workspaceClaims...); ok && workspace == "-" {`,
	},
	{
		Name: "auth: a removed member stays connected", Why: "who was put out of a workspace reads on for as long as the page is open",
		File: "bridge/api/membership.go", Package: "bridge/api", Tests: []string{"TestWhoLeavesIsClosed"},
		Old: `if m, ok := c.principal.Membership(); ok && gone[m.Fold()] {`, New: `if m, ok := c.principal.Membership(); ok && gone[m] {`,
	},
	{
		Name: "auth: connected members are checked once after a change", Why: "a check that came before the change was visible is the last",
		File: "bridge/api/membership.go", Package: "bridge/api", Tests: []string{"TestWhoHasLeftIsFound"},
		Old: `pauses = []time.Duration{settleMembers, checkAgain}`, New: `pauses = []time.Duration{settleMembers}`,
	},
	{
		Name: "auth: no answer about connected members is a no", Why: "while the database is away all clients with session tokens are disconnected",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestFormerMembers"},
		Old: "\t\tm.checksFailed.Add(1)\n\t\treturn nil, err\n", New: "\t\tm.checksFailed.Add(1)\n\t\treturn nil, nil\n",
	},
	{
		Name: "auth: a removed member's cached yes stays", Why: "who is out comes in again for as long as the answer is cached",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestFormerMembers"},
		Old: "\t\tm.drop(former)\n", New: "",
	},
	{
		Name: "auth: an answer from before a change is cached", Why: "who was removed while the question was under way comes in until the answer expires",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestAnswerFromBeforeAChange"},
		Old: `if m.dropped != dropped {`, New: `if m.dropped < dropped {`,
	},
	{
		Name: "auth: questions about workspaces of others are not limited", Why: "whoever has a session token takes the database's connections for memberships",
		File: "bridge/auth/questionlimit.go", Package: "bridge/auth", Tests: []string{"TestQuestionsAreLimited"},
		Old: `return a.fullAt.Sub(a.of.now()) > time.Duration(a.of.noes-1)*a.of.every`, New: `return a.fullAt.Sub(a.of.now()) > time.Duration(1000*a.of.noes)*a.of.every`,
	},
	{
		Name: "auth: an empty set of keys replaces the known ones", Why: "a moment's mistake of the project's refuses all its users for good",
		File: "bridge/auth/keyset.go", Package: "bridge/auth", Tests: []string{"TestEmptiedKeys"},
		Old: `if err == nil && len(keys) == 0 && k.filled() {`, New: `if err == nil && len(keys) < 0 && k.filled() {`,
	},
	{
		Name: "auth: whoever knows a session's id uses it up", Why: "its user misses what came meanwhile",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestARefusedAttemptDoesNotUseUpASession"},
		Old: `return c.Workspace == prior.Workspace && c.User == prior.User && (offset == "" || err == nil)`, New: `return err == nil || c != prior`,
	},
	{
		Name: "admin: the mode is anybody's on a public address", Why: "whoever reaches the listener takes the clients off ChatEngine",
		File: "bridge/ops/admin.go", Package: "bridge/ops", Tests: []string{"TestAdminToken"},
		Old: `case a.Token == "" && !a.Local &&`, New: `case a.Token == "" && a.Local && !a.Local &&`,
	},
}
