package main

import (
	"context"
	"io"
	"math"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"chatbridge/bridge/ops"
)

const mib = 1 << 20

// The limit of the process's group, or a lower one above it, in both versions of control
// groups, less the part that Go does not count.
func TestMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		group int64
	}{
		"container, version 2": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n", "sys/fs/cgroup/memory.high": "max\n",
		}, 256 * mib},
		"container that is told the host's path": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/docker-4f.scope\n", "sys/fs/cgroup/memory.max": "268435456\n",
		}, 256 * mib},
		"service, limited by its slice": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/bridge.service\n",
			"sys/fs/cgroup/system.slice/bridge.service/memory.max":  "536870912\n",
			"sys/fs/cgroup/system.slice/bridge.service/memory.high": "max\n",
			"sys/fs/cgroup/system.slice/memory.max":                 "268435456\n",
		}, 256 * mib},
		"service with MemoryHigh": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/bridge.service\n",
			"sys/fs/cgroup/system.slice/bridge.service/memory.max":  "536870912\n",
			"sys/fs/cgroup/system.slice/bridge.service/memory.high": "268435456\n",
		}, 256 * mib},
		"no limit, version 2": {map[string]string{
			"proc/self/cgroup": "0::/user.slice\n", "sys/fs/cgroup/user.slice/memory.max": "max\n",
		}, 0},
		"container, version 1": {map[string]string{
			"proc/self/cgroup":                           "5:cpu,cpuacct:/docker/4f\n4:memory:/docker/4f\n1:name=systemd:/docker/4f\n0::/system.slice\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n", "sys/fs/cgroup/system.slice/memory.max": "1\n",
		}, 256 * mib},
		"version 1, with another controller": {map[string]string{
			"proc/self/cgroup": "4:hugetlb,memory:/a/b\n", "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "268435456\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 256 * mib},
		"no limit, version 1": {map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"path that leads out":     {map[string]string{"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 * mib},
		"no control groups":       {map[string]string{}, 0},
		"something else in there": {map[string]string{"proc/self/cgroup": "\x00\n::\n0\n", "sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		want := ops.Memory{From: ops.MemoryUnlimited}
		if c.group > 0 {
			want = ops.Memory{Bytes: c.group - c.group/5, Group: c.group, From: ops.MemoryFromGroup}
		}
		if got := memoryLimit(root, false); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// A limit from the environment wins.
func TestMemoryLimitOfTheEnvironment(t *testing.T) {
	root := fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": {Data: []byte("268435456\n")}}
	before := debug.SetMemoryLimit(100 * mib) // as the runtime does with GOMEMLIMIT at the start
	defer debug.SetMemoryLimit(before)
	if got := memoryLimit(root, true); got != (ops.Memory{Bytes: 100 * mib, From: ops.MemoryFromEnvironment}) {
		t.Errorf("%+v", got)
	}
	debug.SetMemoryLimit(math.MaxInt64) // GOMEMLIMIT=off
	if got := memoryLimit(root, true); got != (ops.Memory{From: ops.MemoryFromEnvironment}) {
		t.Errorf("off: %+v", got)
	}
	t.Setenv("GOMEMLIMIT", "100MiB")
	debug.SetMemoryLimit(100 * mib)
	if got := limitMemory(); got.Bytes != 100*mib || debug.SetMemoryLimit(-1) != 100*mib {
		t.Errorf("%+v, and the runtime has %d", got, debug.SetMemoryLimit(-1))
	}
}

// serve says the limit that holds, in the log and in /status, and warns of settings that
// do not fit in it.
func TestServeSaysItsMemoryLimit(t *testing.T) {
	clean(t)
	before := debug.SetMemoryLimit(100 * mib)
	defer debug.SetMemoryLimit(before)
	for name, value := range map[string]string{
		"GOMEMLIMIT": "100MiB", "DATABASE_URL": "postgres://u:p@127.0.0.1:1/x", "CHATENGINE_JWT_SECRET": "a secret of at least thirty-two bytes",
		"BRIDGE_LISTEN": "127.0.0.1:0", "BRIDGE_ADMIN_LISTEN": "127.0.0.1:0",
	} {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	admin := regexp.MustCompile(`"admin":"([^"]+)"`)
	var status string
	log := &watched{want: `"event":"serving"`}
	log.seen = sync.OnceFunc(func() {
		go func() { // the log is being written
			defer cancel()
			res, err := http.Get("http://" + admin.FindStringSubmatch(log.String())[1] + "/status")
			if err != nil {
				return
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			status = string(body)
		}()
	})
	code := run(ctx, []string{"serve"}, streams{strings.NewReader(""), io.Discard, log})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for _, want := range []string{`"bytes":104857600,"from":"GOMEMLIMIT"`, "replay.max_bytes and lookup.bytes together are 201326592 bytes"} {
		if n := strings.Count(log.String(), want); code != 0 || n != 1 {
			t.Errorf("%d, %d times %s in\n%s", code, n, want, log.String())
		}
	}
	if !strings.Contains(status, `"limitBytes": 104857600`) || !strings.Contains(status, `"from": "GOMEMLIMIT"`) {
		t.Errorf("/status has %s", status)
	}
}
