// Package provision checks whether a database can be followed: what is missing,
// what is wrong, and which exact statement resolves it.
//
// Inspect reads catalogs and settings over an ordinary connection and changes
// nothing. Plan turns its Report into the statements that create what is
// missing, and Apply runs them. Connect turns an error of connecting into the
// same kind of Finding.
//
// # Files
//
//	want.go         Want, Table: what the bridge needs
//	inspect.go      Inspect, the order of the checks
//	server.go, role.go, tables.go, publication.go, slot.go, savedplace.go: one check each
//	standby.go      whether a promoted standby continues the slot
//	report.go       Report, Finding, Level
//	plan.go         Plan, Apply, Offers, RoleSQL: statements
//	otherslots.go   slots of this database that nobody reads
//	remove.go, removerole.go  what takes a bridge's traces away, and nobody else's
//	rolemissing.go  which of RoleSQL's a role still needs
//	connect.go      errors of connecting as Findings
//	columns.go      the columns of any table, and their types
//	shape.go        what is compared between two inspections
//	publishedpart.go  tables of which only a part is published
//
// Nothing in a plan can make one of the application's own statements fail: a
// table whose updates Postgres would refuse once they are published (one
// without a usable replica identity) is left out and reported, and a
// publication that exists is never narrowed.
//
// The package has no state and logs nothing. Its functions use the connection
// that they are given, one at a time.
package provision
