// Package pgoutput decodes what Postgres sends on a logical replication
// connection: the frames inside COPY (XLogData, keepalive) and, inside
// XLogData, the messages of the output plugin pgoutput in protocol version 1.
// It also encodes the standby status update, the one frame that goes back.
//
// Version 1 without further options is the same stream on Postgres 13 to 18:
// whole transactions in commit order. Messages of later versions (streaming,
// two-phase) and unknown ones are errors; nothing is skipped.
//
// Everything here is pure: bytes in, structs out, no I/O, no clock. Decoding
// aliases its input and, relations and types apart, does not allocate. A
// Decoder is for one goroutine.
//
//   - frame.go: frames inside COPY; status.go: the one that goes back
//   - decoder.go: Decoder, which message is which
//   - transaction.go, relation.go, row.go: the messages
//   - reader.go: a message's fields, with their lengths checked
//   - lsn.go, time.go, typename.go: LSN, times, names of types by OID
//
// Sources: PostgreSQL documentation, "Logical Replication Message Formats" and
// "Streaming Replication Protocol"; src/backend/replication/logical/proto.c.
package pgoutput
