// Package bridge is the daemon: it wires a source of changes to the mapping
// and the mapping to the Socket.IO server, supervises them, and answers for
// their health.
//
// The path of one row: the source calls the Pipeline (a source.Handler) from
// its one goroutine; the Pipeline lets the mapper append the events' JSON,
// makes one Socket.IO packet of each, and hands it to the Hub, which records
// it in the replay log and broadcasts it. Nothing on that path waits for a
// client.
//
// The Hub knows every client's workspace and subscriptions. A client is fed
// in one of two ways: live, by being in the rooms that are broadcast to; or
// from the replay log, by a goroutine of its own that reads a cursor at the
// pace of the client's connection. It moves from the log to the rooms under
// the lock under which events are published, when its cursor is at the head;
// and back when its queue is full. So there is no gap and no overlap.
package bridge
