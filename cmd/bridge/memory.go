package main

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"chatbridge/bridge/ops"
)

// outsideGo is the divisor for the part of a control group's memory (1/outsideGo) that is
// left for what the Go runtime does not count: mostly the kernel's socket buffers, which
// are charged to the group, and the pages of the program itself.
const outsideGo = 5

// limitMemory makes the garbage collector work harder before the kernel kills the process
// for its control group's limit: it sets the runtime's soft limit to what the group may
// use, less what Go does not count. GOMEMLIMIT in the environment has precedence. The
// result is the limit in force.
func limitMemory() ops.Memory {
	limit := memoryLimit(os.DirFS("/"), os.Getenv("GOMEMLIMIT") != "")
	if limit.From == ops.MemoryFromGroup {
		debug.SetMemoryLimit(limit.Bytes)
	}
	return limit
}

// memoryLimit decides which limit is in force. explicit tells that GOMEMLIMIT is set. root
// is the root of the file system.
func memoryLimit(root fs.FS, explicit bool) ops.Memory {
	if explicit {
		limit := ops.Memory{From: ops.MemoryFromEnvironment}
		if set := debug.SetMemoryLimit(-1); set < math.MaxInt64 { // GOMEMLIMIT=off sets MaxInt64
			limit.Bytes = set
		}
		return limit
	}
	group := groupLimit(root)
	if group == 0 {
		return ops.Memory{From: ops.MemoryUnlimited}
	}
	return ops.Memory{Bytes: group - group/outsideGo, Group: group, From: ops.MemoryFromGroup}
}

// groupLimit returns how many bytes the process's control group may use, the least of its
// own limit and those above it; 0 for no limit. In a container the process may be told a
// path that is not in its own view of the groups: then the root of that view is its group.
func groupLimit(root fs.FS) int64 {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	// Cgroup v2, unless v1 has the memory controller.
	mount, group, files := "sys/fs/cgroup", "", []string{"memory.max", "memory.high"}
	for line := range strings.Lines(string(membership)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, at, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case controllers == "" && group == "":
			group = at
		case strings.Contains(","+controllers+",", ",memory,"):
			mount, group, files = "sys/fs/cgroup/memory", at, []string{"memory.limit_in_bytes"}
		}
	}
	least := int64(0)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		for _, file := range files {
			if limit := readLimit(root, path.Join(mount, dir, file)); limit > 0 && (least == 0 || limit < least) {
				least = limit
			}
		}
		if dir == "/" {
			return least
		}
	}
}

// noLimit is the least value that counts as no limit: for none, cgroup v1 has MaxInt64,
// rounded down to a whole page.
const noLimit = math.MaxInt64 &^ (1<<20 - 1)

// readLimit reads a limit in bytes; 0 if there is none.
func readLimit(root fs.FS, file string) int64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // cgroup v2 has "max" for no limit
	if err != nil || limit >= noLimit {
		return 0
	}
	return limit
}
