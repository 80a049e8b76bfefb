package throwaway

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say what cluster to start. The zero value means: the newest
// Postgres that is installed, a unix socket, settings for logical replication.
type Options struct {
	// Bin is the directory of initdb and postgres. Empty: see Find.
	Bin string
	// Version is the major version to find, such as "17". Empty: the
	// first that is found. Ignored where Bin is set.
	Version string
	// Settings are lines of postgresql.conf that come after the package's
	// own and so override them. Values are quoted as needed.
	Settings map[string]string
	// Log is where the server's output goes, nil discards it. The end of it is in
	// the error of a failed start in any case.
	Log io.Writer
	// TCP makes the cluster listen on a free port of 127.0.0.1 too, with a
	// random password, and URL give that address. Without it there is only a
	// unix socket that no other user may reach.
	TCP bool
	// Template spares the time of initdb, nil runs it. It must be of the same
	// version.
	Template *Template
}

// stopTimeout is how long a fast or an immediate shutdown may take in Stop.
const stopTimeout = 10 * time.Second

// defaults are the settings of every cluster, without durability; a test that
// needs it overrides them.
// synchronous_commit stays on: without it a commit reaches the replication
// stream up to 200 ms late, and a kill of the processes loses commits.
func defaults() map[string]string {
	return map[string]string{
		"wal_level":             "logical",
		"max_replication_slots": "30",
		"max_wal_senders":       "30",
		"max_connections":       "100",
		"shared_buffers":        "32MB",
		"fsync":                 "off",
		"full_page_writes":      "off",
		"autovacuum":            "on",
		"jit":                   "off",
		"huge_pages":            "off",
		"timezone":              "UTC",
		"log_timezone":          "UTC",
		"logging_collector":     "off",
		// Segments under the data directory instead of /dev/shm, so that even
		// a killed cluster leaves nothing outside its directory.
		"dynamic_shared_memory_type": "mmap",
	}
}

// conf returns the lines to append to postgresql.conf.
func (o Options) conf(socketDir string, port int) string {
	settings := defaults()
	settings["unix_socket_directories"] = socketDir
	settings["unix_socket_permissions"] = "0700"
	settings["port"] = strconv.Itoa(port)
	settings["listen_addresses"] = ""
	if o.TCP {
		settings["listen_addresses"] = "127.0.0.1"
	}
	maps.Copy(settings, o.Settings)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		b.WriteString(name + " = '" + strings.ReplaceAll(settings[name], "'", "''") + "'\n")
	}
	return b.String()
}
