// Package process starts child processes that do not outlive this program.
//
// A Child is in a process group of its own, so that the terminal's Ctrl-C does
// not reach it and a signal to the group reaches all that it started. On Linux
// the kernel signals it when this program ends, however it ends; elsewhere a
// child of a killed program goes on.
//
//	child.go                   Child
//	deathsignal_linux.go       the signal that a child gets when its parent dies
//	deathsignal_otherunix.go   none, where the system has no such signal
//
// One goroutine per Child starts it and waits for it; it ends with the process.
// The package is for unix systems and imports nothing of ours.
package process
