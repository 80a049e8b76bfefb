// Package console is the operator's page at / of the admin listener: what an operator who is
// woken at night needs to see, and the few actions there are.
//
// The daemon's Snapshot is polled once a second. From it come, in this order of the page: the
// verdict (problems.go: what is wrong, worst first, and what to do), the path of an event with
// each part's state (path.go), the last hour (history.go), the time line of what changed
// (timeline.go, observe.go), refusals and what each means (refusals.go). Workspaces and clients
// (people.go), and what `bridge check` says (checks.go), are had when somebody asks. book.go
// renders the embedded documents, to which the page links.
//
//	console.go  Options, New, Run: what is kept, and its goroutines
//	serve.go    the addresses below /console/ and /docs/, and who may do what
//	page/       the page's files, embedded: no build step, nothing from elsewhere
//	format.go   numbers as people read them
//	level.go    how bad something is
//	quantile.go quantiles between two Snapshots
//
// # What it keeps
//
// An hour of samples, one each 5 s: 720 of 17 numbers of 4 bytes, some 55 KB; 200 entries of
// the time line; the counts of refusals once a minute for an hour, where they changed. The
// list of clients is made when somebody looks, at most every two seconds, and dropped half a
// minute after.
//
// # Safety
//
// Ids of workspaces and users, addresses and errors come from strangers: the answers are
// JSON, and the page shows them as text. Its policy admits no script or style but its own
// files, and no HTML that is made of text but the documents'. What people write is in none
// of it, and no token, secret or session id. Orders are POSTs of the same origin with a
// header whose value the page reads; ops.Admin asks for admin.token before that.
//
// # Goroutines
//
// Run has two, and returns after both: one looks, one runs checks, one at a time. Handlers
// come on any goroutine; Console.mu guards what they share with Run, and is not held while a
// function of Options runs.
//
// It must not import bridge, which imports it; what it needs of the daemon's parts it is
// given as functions.
package console
