// Package failover tests that a CRM client loses nothing: real clients, a
// steady writer, everything between them killed, cut and restarted, and at the
// end a comparison of what each client shows with what is in the database.
//
//   - clients.go, testdata/crm: [Clients], socket.io-clients from npm with the
//     CRM's options and handling of events, in Node.js processes
//   - writer.go: [Writer], messages and statuses at a steady rate, through
//     ChatEngine while it answers, else directly into the database
//   - tables.go, names.go: the tables of ChatEngine's two forms, and their ids
//   - link.go: [Link], a TCP forwarder that can be cut or stalled
//   - clock.go, testdata/clock: [Clock], a clock of the day that is stepped for one program
//   - bridge.go: [Bridge], the daemon, built and run as a process
//   - proxy.go: [Proxy], nginx, HAProxy or Caddy with the configuration in configs/
//   - compare.go: [Compare], what clients show against the database
//   - truth.go, histories.go: [Recorder], what was committed; [Clients.Judge], the
//     clients' histories judged by package history; [Clients.Shown], what each
//     version of the CRM makes of them
//   - process.go, await.go: programs that end with the test, waiting for them
//
// Everything that is started ends with the test. The scenarios are this package's
// tests; docs/failover.md has the table they print. The package is test support:
// cmd/bridge does not import it.
package failover
