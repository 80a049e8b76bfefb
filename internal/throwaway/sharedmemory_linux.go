package throwaway

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// removeSharedMemory removes the System V segment that a postmaster keeps as
// an interlock and that outlives it when it is killed. Line 7 of its pid file
// is "key id".
func removeSharedMemory(pidFile string) {
	lines, err := pidLines(pidFile)
	if err != nil || len(lines) < 7 {
		return
	}
	fields := strings.Fields(lines[6])
	if len(fields) != 2 {
		return
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return
	}
	// A segment in use stays until its last user detaches.
	_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
}
