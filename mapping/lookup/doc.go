// Package lookup asks the database for what a row of the stream lacks: the
// conversation of a message, the contact of a conversation, its newest
// message, a large value that an UPDATE did not carry.
//
//	lookup.go           Lookup: the time limit, the pause after a failure, Stats
//	warm.go             a connection that is ready for the first question, and after a pause
//	fetchvisible.go     asking again for rows that are committed and not visible yet
//	sql.go              NewSQL: over a direct connection, one pipelined round trip
//	statements.go       its statements
//	where.go            the mapping's `where:` in SQL
//	rights.go           what the role may not read, and the SQL that grants it
//	try.go              every question once, for `bridge check`
//	pool.go             its connections and their settings
//	postgrest.go        NewPostgREST: over a Supabase project's REST interface with the
//	                    service key, one request for each kind of question, all at once
//	postgrestwhere.go   the mapping's `where:` as filters
//	postgrestplain.go   the same for tables without foreign keys
//	postgrestget.go     one request and its errors
//	past.go             Past: rows by time, over a direct connection
//	postgrestpast.go    RESTPast: the same over PostgREST
//	postgrestshape.go   what it learns of the tables first
//
// What is cached, for how long, and that a row of the
// stream is never replaced by one that was looked up, is the Mapper's matter
// (mapping/engine): it alone knows what the stream has shown.
//
// A Lookup is used by the one goroutine that feeds its Mapper; Stats, Run and Warm may be
// called from any. The package starts no goroutine that outlives a call. It
// imports mapping, mapping/engine and source, and nothing else of this module but
// helpers.
package lookup
