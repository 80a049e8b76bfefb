// Package lookup asks the database for what a row of the stream lacks: the
// conversation of a message, the contact of a conversation, its newest
// message, a large value that an UPDATE did not carry.
//
//	lookup.go           Lookup: the time limit, the pause after a failure, Stats
//	warm.go             a connection that is ready for the first question, and after a pause
//	fetchvisible.go     asking again for rows that are committed and not visible yet
//	sql.go              NewSQL: over a direct connection, one pipelined round trip
//	statements.go       its statements
//	prepared.go         what is prepared in a session, and when nothing is
//	where.go            the mapping's `where:` in SQL
//	rights.go           what the role may not read, and the SQL that grants it
//	try.go              every question once, for `bridge check`
//	pool.go             its connections and their settings
//	postgrest.go        NewPostgREST: over a Supabase project's REST interface with the
//	                    service key, one request for each kind of question, all at once
//	postgrestplain.go   the same questions for tables without foreign keys
//	postgrestwhere.go   the mapping's `where:` as filters
//	postgrestget.go     one request and its errors
//	past.go             Past: rows by time, over a direct connection
//	paststatements.go   its statements
//	keytype.go          which texts are values of a key's type
//	hidden.go           whether row level security may hide rows from it
//	postgrestpast.go    RESTPast: the questions of Past over PostgREST
//	postgrestreading.go the requests of one such question, page by page
//	postgrestkeys.go    the keys that they return
//	postgrestshape.go   what RESTPast reads about the tables first
//
// Caching is the Mapper's (mapping/engine): only it knows what the stream has shown,
// and it never replaces a row of the stream by one that was looked up.
//
// A Lookup is used by the one goroutine that feeds its Mapper; Stats, Run and Warm may be
// called from any. A Past or RESTPast is used by one goroutine at a time. The package
// starts no goroutine that outlives a call. Of this module it imports mapping, its
// engine and internal packages, source, and packages of internal.
package lookup
