// Package far reads from the database's tables what clients missed that is older than
// the replay log: it is the Hub's Tables (bridge/hub).
//
//	reader.go  Reader: one client's reading, in parts
//	plan.go    what a reading consists of: keys first, within bounds
//	lists.go   the keys, of which clients that miss about the same share what was read
//	render.go  rows → the packets that the stream would have sent
//	page.go    Page: a conversation's messages, a workspace's conversations, for requests
//	conversation.go  one conversation's event
//	shared.go  what several clients are sent
//	gate.go    who may read, and when
//	stats.go   Stats
//
// # What is read
//
// Of each conversation asked for, the keys of its messages since a time are read first,
// the newest Options.Rows of all; then the keys of its newest messages, whose statuses
// are sent because tables such as the CRM's do not tell when a status changed; then
// those of the conversations that changed. Then the rows, in parts of a bounded size,
// each with one question for itself and one for what its rows lack. So what a reading
// holds in memory is bounded, by its keys, and what a slow client has not taken yet is not
// read.
//
// # Whose time it is
//
// A row has the time that its writer chose, a place of the log that of its publication. They
// are taken for a minute apart at most (slack), either way: messages are read from that
// much before what is asked for to that much after. What Options.Rows leaves out of this is
// returned, also where it is dated outside of what was asked for: by its time alone it may
// be of what the client lacks. A row whose time is farther off is not found.
//
// # What is shared
//
// Lists of keys and rendered rows are kept for 10 s, 8 and 16 MiB of them, for other clients
// of the workspace. A list begins up to an eighth of its age before what the first client
// asked for, and each is given of it what it missed itself: so clients that were away for
// about as long need one list of each conversation. What was read serves who asks for no
// more than up to when it was begun to be read: what changed later is in that client's log.
// A client that has been given something of its log is served by what was begun to be read
// after that, because states must not go back.
// Who finds what it needs takes no turn of the database; who waits for one looks again when
// it has it. So of clients that come back together the first reads for all that wait.
//
// Rows become events by an engine.Mapper, as in the stream: what is sent is what an
// INSERT of the message, a change of its status, or an UPDATE of the conversation would
// have made, byte for byte, as far as the row has it. No packet has an offset.
//
// # Bounds
//
// Options.Parallel readings ask the database at a time, one of each workspace. A
// client's turn ends with each list and part: then the next workspace's is due. Whoever
// waits is refused when its workspace had no turn for Options.Wait; while others of it have
// theirs, it is served. A client that waits holds no more than its question and the keys of
// what it is to be sent. After a failure nobody asks for a while. Each question ends after
// Options.Timeout, in the server too.
//
// Where a mapping or its tables have nothing by which rows can be found by time, nothing
// is read: Run finds that out at the start and logs it once.
//
// # Over PostgREST
//
// NewPostgREST asks a project's REST interface where there is no direct connection
// (lookup.RESTPast). How large a row is it learns by reading it: a part that is too large
// is halved, a row that is too large alone is told of. It has no pages.
//
// The package starts no goroutine. It imports mapping/..., socketio, source and
// bridge/hub, of which it implements an interface; no configuration.
package far
