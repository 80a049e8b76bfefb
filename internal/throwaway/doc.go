// Package throwaway starts private Postgres clusters that leave nothing
// behind: the demo runs on one and so do the tests.
//
// A Cluster is one postmaster in a directory of its own under the temporary
// directory, reached over a unix socket in that directory and, where asked
// for, over loopback TCP. It is set up for logical replication and for speed,
// not for keeping data: fsync is off.
//
// Stop ends the processes and removes the directory, the sockets and the
// shared memory. The cluster does not die of the terminal's Ctrl-C by itself,
// because its processes are in a group of their own: the program decides when.
// On Linux it dies with the program even if that is killed with SIGKILL; the
// directory that such an end leaves is removed by the next Start.
//
// A Cluster's methods may be called from any goroutine, one at a time.
// Postgres refuses to run as root, so for root the processes run as the user
// postgres, or nobody where there is none.
//
// The package imports nothing else of this module and is not for Windows.
package throwaway
