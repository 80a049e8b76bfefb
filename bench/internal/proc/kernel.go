//go:build linux

package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// caches are those of the kernel's slab allocator that a connection takes from, under
// the names that kernels since 5.10 give them.
var caches = []string{
	"TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq", "ep_head", "request_sock_TCP",
	"skbuff_head_cache", "skbuff_fclone_cache", "skbuff_small_head", "tcp_bind_bucket", "tcp_bind2_bucket",
}

// Kernel is the memory, in kB, that the whole machine's kernel has for sockets and open
// files, and in TCP's buffers. Connections of other programs are in it, and both ends of
// those on loopback.
func Kernel() (kb int, err error) {
	b, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return 0, fmt.Errorf("read the kernel's memory (run as root): %w", err)
	}
	found := false
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, " ")
		if !slices.Contains(caches, name) {
			continue
		}
		var active, all, size int
		if _, err := fmt.Sscan(rest, &active, &all, &size); err != nil {
			return 0, fmt.Errorf("read /proc/slabinfo: %q: %w", line, err)
		}
		found = true
		kb += active * size / 1024
	}
	if !found {
		return 0, errors.New("read /proc/slabinfo: it has none of the caches of sockets")
	}
	if b, err = os.ReadFile("/proc/net/sockstat"); err != nil {
		return 0, fmt.Errorf("read TCP's memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(b), "\nTCP: ")
	_, rest, _ = strings.Cut(rest, " mem ")
	var pages int
	if _, err := fmt.Sscan(rest, &pages); err != nil {
		return 0, fmt.Errorf("read TCP's memory: /proc/net/sockstat: %w", err)
	}
	return kb + pages*os.Getpagesize()/1024, nil
}
