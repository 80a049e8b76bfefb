// Package rest answers requests of ChatEngine's REST interface in its place: from the
// database's tables, in ChatEngine's shapes, with what the bridge's sockets send.
//
//	handler.go   Handler: routes, and who may ask
//	messages.go  GET /api/chat/messages: its parameters
//	since.go     times as ChatEngine reads them
//	send.go      POST /api/chat/messages
//	answer.go    answers, and ChatEngine's words for errors
//	shares.go    what a user and a workspace may ask for at once, and in a second
//	stats.go     Stats
//
// # What is as ChatEngine's
//
// Messages come oldest first, the first 50 that are newer than since, or limit, 200 at
// most; conversations come latest change first. A conversation of another workspace has
// no messages, like one that does not exist. Errors are {error, message}: error in
// ChatEngine's words where it has some. Paths are compared as they came: whatever is
// written otherwise is another path, for which a bridge without ChatEngine has no answer
// but 503.
//
// # Bounds
//
// Each user may have a few requests under way and a number in a second, each workspace
// and all together a number under way, and bytes of answers that are still to be taken. What asks the database is Tables' to bound (bridge/far). A client that takes
// nothing of its answer for Options.WriteTimeout is cut off. Equal questions for a
// workspace's conversations at the same time are asked once.
//
// The package starts no goroutine. It knows no Postgres and no configuration.
package rest
