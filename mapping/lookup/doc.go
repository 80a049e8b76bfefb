// Package lookup asks the database for what a row of the stream lacks: the
// conversation of a message, the contact of a conversation, its newest
// message, a large value that an UPDATE did not carry.
//
// There are two ways to ask. NewSQL goes over a direct connection: all of a
// batch's questions in one pipelined round trip. NewPostgREST goes
// over a Supabase project's REST interface with the service key: one request for each
// kind of question, all at once.
//
// Around either there is a time limit, and a rest after failures, so that a
// database that does not answer costs the stream one limit now and then, not
// one per transaction. What is cached, for how long, and that a row of the
// stream is never replaced by one that was looked up, is the Mapper's matter:
// it alone knows what the stream has shown.
//
// A Lookup is used by the one goroutine that feeds its Mapper; Stats may be
// called from any. The package starts no goroutine that outlives a call. It
// imports mapping and source, and nothing else of this module.
package lookup
