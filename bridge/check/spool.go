package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"chatbridge/bridge/gateway/spool"
	"chatbridge/internal/durable"
)

// spoolDir checks that webhooks can be kept: that the directory, or the nearest one above
// it that there is, can be written to.
func (r *run) spoolDir(context.Context) {
	dir := r.cfg.Spool.Dir
	if dir == "" {
		return
	}
	there := filepath.Clean(dir)
	for {
		if _, err := os.Stat(there); err == nil || there == filepath.Dir(there) {
			break
		}
		there = filepath.Dir(there)
	}
	f, err := os.CreateTemp(there, ".check-*")
	if err != nil {
		r.warn("spool.dir", dir, "cannot be written: "+err.Error(), "webhooks that come while ChatEngine is down are answered 503, and not kept", "spool.dir: a directory that the bridge may write to, such as /var/lib/chatbridge/spool")
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	if err := spool.Recognise(dir); errors.Is(err, durable.ErrForeign) {
		r.warn("spool.dir", dir, spool.FileName+" in it: "+err.Error(), "webhooks that come while ChatEngine is down are answered 503, and not kept", "give spool.dir a path of its own")
		return
	}
	r.ok("spool.dir", dir, "%s can be written", dir)
}
