// Package recv reads sockets with recvfrom(2) without telling Go's scheduler of it.
//
// A system call that is made the usual way wakes the runtime's monitor (sysmon) when the
// process has been idle, which then looks every 20 µs for a call that takes long. Where
// events come one by one, some thousand a second, that was a quarter of the whole
// process' CPU time (docs/hot-path/socketio.md). A read that does not wait cannot
// take long, so nothing has to watch it.
//
// # Files
//
//	recv_linux.go  Read
//	recvfrom_linux.go, recvfrom_race_linux.go  the system call, without and with the race detector
//	recv_other.go  the same where there is no such call
//	prompt.go      Prompt, a connection that is read ahead of what else there is to do
package recv
