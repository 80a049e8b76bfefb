// Package pipeline is the way of a row from the source to the clients: the source
// calls the Pipeline (a source.Handler) from its one goroutine; the Pipeline lets
// the mapper append the events' JSON, makes one Socket.IO packet of each, and hands
// it to the Hub, which records it in the replay log and broadcasts it.
//
//   - pipeline.go transactions, rows and gaps; one event to the Hub
//   - correct.go events that failed look-ups left incomplete are published again
//   - members.go changes of memberships
//   - stats.go what it counts; passage.go how long some transactions took, step by step
//
// mu is held during every call of the source and during a correction by the timer:
// the mapper is not safe for concurrent use, and positions must rise. The package
// starts no goroutine but the timer's, and imports no source of changes, no HTTP and
// no tokens.
package pipeline
