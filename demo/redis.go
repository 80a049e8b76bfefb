package demo

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"

	"chatbridge/internal/process"
)

// redisPrograms are the servers that will do, in the order in which they are looked for.
var redisPrograms = []string{"redis-server", "valkey-server"}

var errNoRedis = errors.New("--nodes needs Redis 6.2 or later, or Valkey, and there is no redis-server and no valkey-server on the PATH: " +
	"apt-get install redis-server (Debian, Ubuntu), dnf install valkey (Fedora), brew install redis (macOS)")

// findRedis returns the path of a server.
func findRedis() (string, error) {
	for _, name := range redisPrograms {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoRedis
}

// startRedis runs a server that keeps nothing on disk, and ends with this program.
func startRedis(dir string) (child *process.Child, url string, err error) {
	path, err := findRedis()
	if err != nil {
		return nil, "", err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction")
	if child, err = process.Start(cmd, syscall.SIGKILL); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", path, err)
	}
	return child, "redis://" + addr, nil
}

// freeAddress returns an address of this machine at which nobody listens.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}
