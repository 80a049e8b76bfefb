// Package cluster lets several bridges serve what one of them reads: the leader, who
// has the slot of the database, appends its events to a stream in Redis, and the
// edges follow that. The database's log stays the only truth. Redis is a cache of it,
// and may lose its tail or everything at any moment without a client losing an event.
//
// # Files
//
//   - id.go the place of a record; epoch.go the database and the history that places belong to
//   - record.go what an edge has to know, and its code; entry.go a batch of records
//     as one entry of the stream; code.go the parts of both;
//     name.go ids as they are in it
//   - beat.go what the leader says every second
//   - store.go what is needed of Redis; redis.go Redis itself, scripts.go what it runs;
//     client.go how to connect, servers.go to a Redis Cluster
//   - backlog.go the recent records of the leader
//   - leader.go the Leader: its options, its state and Run; leader_records.go what its source
//     gives it; leader_append.go append, and again what Redis lost; leader_sync.go from
//     where; doubt.go what it finds there and has not appended; leader_stats.go its counters
//   - edge.go the Edge: read, proof of no hole; edge_stats.go its counters
//   - node.go a Node, which is an Edge or a Leader; delivered.go what a database has to
//     have that it is to read
//   - shared.go the connection to Redis for what is not the stream; try.go tries all
//     that is done there, commands.go lists it
//   - trouble.go what is wrong where Redis or the way there fails, and what to do, for all
//     that show it; answers.go what Redis' own errors mean; closingconn.go why it closed a
//     connection
//   - advertise.go where a node is reached; forward.go the proof that a node passes a request on
//   - bus.go what all nodes tell each other at once, and may be lost; notice.go its code;
//     peers.go which nodes live; about.go what they say of themselves, and who does not
//     belong here; ask.go the same for who is no node
//   - orders.go the operator's last order
//   - sessions.go clients' sessions, for whichever node they come to next; sharedsession.go one of
//     them, at the node that has it; sessionbytes.go what all of a node take in Redis
//   - claims.go which texts a node was given to send
//
// # The stream
//
// Records are in the order of their IDs, which are positions, so every leader that
// reads the same log gives the same record the same ID. An entry of the stream holds
// the records after the entry that it names (Entry.Prev) up to its own ID. So whoever
// has all up to an ID that is not before Prev has all up to the entry's.
//
// An append names the entry that the leader believes to be the last. Redis refuses
// it where that is another one, and tells which: after a failover to a replica that
// lacked the end the leader appends that again, from its own backlog. A leader that
// was replaced and does not know it yet can append nothing but what the new one
// would have appended itself.
//
// An edge keeps what it was given as a leader does, and a beat tells where the leader's
// source is. So the source of an edge that becomes the leader goes on there (Node.Place)
// and reads nothing again: what Redis may lack is in the backlog that it brings along.
//
// A source that does not go on there is told the last transaction that was delivered
// (Node.Delivered). A database that has another one at that place, or none, was put back
// or promoted short of it: it has another history, and all that was kept is dropped.
//
// A beat says: what was committed before Through is in the stream up to Tail. So an
// edge that has all up to Tail has all before Through, whether or not there was
// anything to tell.
//
// # Other databases
//
// All keys and notices are of one History, so clusters of one name on several databases have
// nothing in common but the channel of the notices, on which each names its own: they are
// told of, and nothing of them is taken. A node that does not know its History yet connects to
// no stream, and is heard by nobody.
//
// # Goroutines and locks
//
// Leader.Run and Edge.Run are one goroutine each, which alone speaks to Redis about the
// stream. Bus.Run is two, one that tells and one that hears.
// Leader.mu guards the backlog, between that goroutine and the one of the source.
// Edge.mu guards what Stats shows, Bus.mu the limits and the nodes, Shared.mu which
// connection is used. None of them is held during I/O or while a Follower is
// called. Node.changing is held while the role changes, by the goroutine that asks
// for it.
//
// The package must not import the Hub, HTTP, tokens, mapping or the configuration.
package cluster
