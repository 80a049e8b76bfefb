// Package bridge is the daemon: it wires a source of changes to the mapping
// and the mapping to the Socket.IO server, supervises them, and answers for
// their health.
package bridge
