// Command source measures how fast a backlog is read from a replication slot: by the
// bridge's source, by Postgres's own pg_recvlogical, and by a Go loop that receives the
// messages and decodes nothing, in turn, from copies of one slot.
//
//	go run ./bench/source
//	go run ./bench/source -scene one -rows 20000 -rounds 1
//
// The scenes: all rows in one transaction; ten to a transaction; rows of 50 columns and
// 4 kB, ten to a transaction. The walsender is on the same machine, and with each reader
// it decides how fast it can be.
//
// Linux, with the programs of Postgres.
package main
