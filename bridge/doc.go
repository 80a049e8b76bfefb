// Package bridge is the daemon: it wires a source of changes to the mapping
// and the mapping to the Socket.IO server, supervises them, and answers for
// their health.
//
// The path of one row: the source calls the Pipeline (a source.Handler) from
// its one goroutine; the Pipeline lets the mapper append the events' JSON,
// makes one Socket.IO packet of each, and hands it to the Hub, which records
// it in the replay log and broadcasts it; see package hub.
package bridge
