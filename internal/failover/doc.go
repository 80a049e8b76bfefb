// Package failover proves that a CRM client loses nothing: real clients, a
// steady writer, everything between them killed, cut and restarted, and at the
// end a comparison of what each client shows with what the database holds.
//
// The parts, each usable alone in tests of other packages:
//
//   - [Clients]: npm socket.io-clients with the CRM's options and handling of
//     events, in Node processes of their own;
//   - [Writer]: messages and statuses at a steady rate, through ChatEngine while
//     it lives and straight into the database while it does not, in the tables
//     of ChatEngine's form (tables.go, names.go);
//   - [Link]: a TCP connection's way, that can be cut or stop forwarding;
//   - [Bridge]: the daemon, built and run as a process;
//   - [Proxy]: nginx, HAProxy or Caddy with the configuration that we ship;
//   - [Compare]: the verdict on what is shown at the end; [Clients.Judge] on
//     what came, [Clients.Shown] on what each version of the CRM makes of it.
//
// The scenarios are this package's tests; docs/failover.md has the table they
// print. The package is test support. Nothing that ships imports it.
package failover
