package mutants

// lookups: what is asked of the database, and what was prepared for that.
var lookups = []Mutant{
	{
		Name: "lookup: what another session has not is not asked again", Why: "behind a pooler events go without names, contacts and previews",
		File: "mapping/lookup/sql.go", Package: "mapping/lookup", Tests: []string{"TestPreparedElsewhere", "TestTypesChange"},
		Old: "case s.prepares && perhapsOfPreparing(code):", New: "case false && perhapsOfPreparing(code):",
	},
	{
		Name: "lookup: a changed key is no sign of an old statement", Why: "after a migration every look-up fails until the connection ends",
		File: "mapping/lookup/prepared.go", Package: "mapping/lookup", Tests: []string{"TestKeysChangeType"},
		Old: `strings.HasPrefix(code, "42") || `, New: "",
	},
	{
		Name: "lookup: rows of a question that failed are given", Why: "a message shows each attachment twice",
		File: "mapping/lookup/sql.go", Package: "mapping/lookup", Tests: []string{"TestAskedAgainIsGivenOnce"},
		Old: "		rows = rows[:0]\n", New: "",
	},
	{
		Name: "lookup: old statements stay", Why: "the server's session grows with each refused question",
		File: "mapping/lookup/prepared.go", Package: "mapping/lookup", Tests: []string{"TestFailuresPrepareNothingForGood"},
		Old: "		b.SendDeallocate(name)\n", New: "		_ = name\n",
	},
}
