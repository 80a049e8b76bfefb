package failover

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Proxy is a load balancer of Debian's, running with the configuration in
// configs/, its addresses replaced.
type Proxy struct {
	// URL is where clients connect.
	URL string
}

// Kinds are the load balancers there are configurations for; each is the name
// of the program and of its Debian package.
func Kinds() []string { return []string{"nginx", "haproxy", "caddy"} }

// shipped are our configurations, below the repository's root.
var shipped = map[string]string{
	"nginx": "configs/nginx/chatbridge.conf", "haproxy": "configs/haproxy/haproxy.cfg", "caddy": "configs/caddy/Caddyfile",
}

// StartProxy runs a load balancer in front of ChatEngine and the bridge, both
// host:port, until the test ends. Where the program is missing it is installed
// by root, and the test skipped by anyone else.
func StartProxy(t testing.TB, kind, engine, bridge string) *Proxy {
	t.Helper()
	return startProxy(t, kind, shipped[kind], "127.0.0.1:3000", engine, "127.0.0.1:8080", bridge)
}

// shippedForClusters are our configurations for three bridges.
var shippedForClusters = map[string]string{
	"nginx": "configs/nginx/cluster.conf", "haproxy": "configs/haproxy/cluster.cfg", "caddy": "configs/caddy/Caddyfile.cluster",
}

// StartClusterProxy runs a load balancer in front of three bridges as StartProxy does.
func StartClusterProxy(t testing.TB, kind string, bridges [3]string) *Proxy {
	t.Helper()
	return startProxy(t, kind, shippedForClusters[kind], "127.0.0.1:8081", bridges[0], "127.0.0.1:8082", bridges[1], "127.0.0.1:8083", bridges[2])
}

// startProxy runs the load balancer with a configuration in which addresses are
// replaced, in pairs, and that of its own.
func startProxy(t testing.TB, kind, shipped string, addresses ...string) *Proxy {
	t.Helper()
	program := programOf(t, kind)
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	text, err := os.ReadFile(filepath.Join(Root(), shipped))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(addresses); i += 2 {
		if !strings.Contains(string(text), addresses[i]) {
			t.Fatalf("%s does not have %s", shipped, addresses[i])
		}
	}
	config := strings.NewReplacer(append(addresses,
		"listen 80;", "listen "+addr+";",
		"maxconn 20000", "maxconn 1000", // needs two descriptors each, and not every test machine grants them
		"bind :80\n", "bind "+addr+"\n",
		"\n:80 {", "\nhttp://127.0.0.1:"+port+" {",
	)...).Replace(string(text))
	if !strings.Contains(config, port) {
		t.Fatalf("%s has no address of its own to replace", shipped)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, filepath.Base(shipped))
	var args []string
	switch kind {
	case "nginx":
		main := filepath.Join(dir, "nginx.conf")
		writeFile(t, main, fmt.Sprintf(nginxMain, dir, file))
		args = []string{"-p", dir, "-c", main, "-e", "stderr"}
	case "haproxy":
		args = []string{"-db", "-f", file}
	case "caddy":
		config = "{\n\tadmin off\n}\n" + config
		args = []string{"run", "--adapter", "caddyfile", "--config", file}
	}
	writeFile(t, file, config)
	startProgram(t, dir, program, args...)
	awaitListener(t, addr)
	return &Proxy{URL: "http://" + addr}
}

// nginxMain is the smallest main configuration for the shipped part.
const nginxMain = `daemon off;
master_process off;
pid %[1]s/nginx.pid;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
	access_log off;
	error_log stderr error;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[2]s;
}
`

// programOf returns the path of the program, installed first where it is missing.
func programOf(t testing.TB, name string) string {
	t.Helper()
	find := func() string {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/bin") {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
				return filepath.Join(dir, name)
			}
		}
		return ""
	}
	if path := find(); path != "" {
		return path
	}
	if os.Geteuid() == 0 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		t.Logf("installing Debian's package %s", name)
		cmd := exec.CommandContext(ctx, "apt-get", "-o", "DPkg::Lock::Timeout=240", "install", "-y", "--no-install-recommends", name)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("apt-get install %s: %v\n%s", name, err, out)
		}
	}
	path := find()
	switch {
	case path != "":
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing: apt-get install %s", name, name)
	default:
		t.Skipf("%s is missing: apt-get install %s", name, name)
	}
	return path
}

// Root is the repository's directory.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
