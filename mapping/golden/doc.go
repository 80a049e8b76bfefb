// Package golden holds the mapping's golden files: for each rule the rows as
// SQL and the events that they must make. The test runs them against a real
// Postgres, through logical replication, lookups and the mapper.
//
// A file in testdata/<preset>/ is a txtar archive. Its comment says what it
// shows, and may have lines of options: `identity: default` (or full) sets the
// replica identity of messages and conversations, `publish: contacts` publishes
// more tables, `lookup: none` takes the lookups away. The section setup.sql
// runs before anything is followed; of test.sql each block between blank lines
// is one transaction; mapping.yaml changes the preset; warnings.txt lists the
// reasons of the warnings; events.jsonl has what must come out.
//
// u('c1') in SQL is the uuid 00000000-0000-4000-8000-0000000000c1.
//
// go test ./mapping/golden -update writes the events anew; read them before
// they are committed.
package golden
