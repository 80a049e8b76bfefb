package ledgerfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Held reports whether a process uses the ledger file of a path, and which: its id, 0 where the
// system does not tell.
func Held(path string) (pid int, held bool) {
	for _, file := range []string{path + ".lock", path} {
		if inUse(file) {
			return holder(file), true
		}
	}
	return 0, false
}

// holder is the process that has the lock of a file, by /proc/locks; 0 where that does not say.
func holder(file string) int {
	id, ok := fileID(file)
	locks, err := os.Open("/proc/locks")
	if !ok || err != nil {
		return 0
	}
	defer locks.Close()
	return holderIn(locks, id)
}

// holderIn reads /proc/locks: 1: FLOCK ADVISORY WRITE 4711 08:01:393226 0 EOF.
func holderIn(locks io.Reader, id string) (pid int) {
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) >= 6 && f[1] == "FLOCK" && f[3] == "WRITE" && f[5] == id {
			_, _ = fmt.Sscan(f[4], &pid) // 0 where it is of another namespace
			return max(pid, 0)
		}
	}
	return 0
}
