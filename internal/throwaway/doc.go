// Package throwaway starts private Postgres clusters that leave nothing
// behind: the demo runs on one and so do the tests.
//
// A Cluster is one postmaster in a directory of its own under the temporary
// directory, reached over a unix socket in that directory and, with
// Options.TCP, over loopback TCP. It is configured for logical replication and
// for speed, not for durability: fsync is off.
//
// Stop ends the processes and removes the directory, the sockets and the
// shared memory. The terminal's Ctrl-C does not reach the cluster, because its
// processes are in a group of their own. On Linux it ends with the program even
// if that is killed with SIGKILL; the directory that is left then is removed by
// the next Start.
//
//   - options.go: Options, the postgresql.conf made of them
//   - find.go, programs.go: where the programs of Postgres are; a copy of them where
//     the server's user may not run them
//   - cluster.go: Cluster, starting and stopping
//   - template.go: an initialised data directory to copy; initdb
//   - home.go, account.go: a cluster's directory; the user that owns it
//   - process.go, children_linux.go, children_otherunix.go: a program of Postgres, signals
//   - sharedmemory_linux.go, sharedmemory_otherunix.go: what a killed postmaster leaves
//   - tail.go: the end of a server's output
//
// A Cluster's methods may be called from any goroutine, one at a time.
// Postgres refuses to run as root, so for root the processes run as the user
// postgres, or nobody where there is none.
//
// Of this module the package imports only internal/process.
package throwaway
