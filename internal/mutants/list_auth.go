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
		Old: "\t\t\tm.failed.Add(1)\n\t\t\treturn \"\", err\n", New: "\t\t\tm.failed.Add(1)\n\t\t\treturn workspace, nil\n",
	},
	{
		Name: "auth: a failed question is remembered as a no", Why: "a member is refused for a minute because the database was away for a moment",
		File: "bridge/auth/membercache.go", Package: "bridge/auth", Tests: []string{"TestMembershipIsRemembered"},
		Old: "\t\t\tm.failed.Add(1)\n", New: "\t\t\tm.failed.Add(1)\n\t\t\tm.store(key, memberAnswer{\"\", until})\n",
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
		Old: `key := membership{user, workspace}`, New: `key := membership{user, ""}`,
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
}
