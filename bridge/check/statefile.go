package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"chatbridge/bridge/gateway/handover"
	"chatbridge/configs"
	"chatbridge/internal/durable"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/postgres"
)

// stateFiles checks that the files in the state directory can be written, and that there
// is one where something is lost without.
func (r *run) stateFiles(ctx context.Context) {
	if r.cfg.Replay.StateFile == "" && r.cfg.Gateway.Upstream != "" {
		r.warn("replay.state_file", "", "is not set, and no state directory was given",
			"when the bridge restarts, pages that were at ChatEngine are caught up since they connected to it, which may be hours, instead of since they left",
			"replay.state_file: a path in a directory that the bridge may write to, and that outlives a restart")
	}
	r.stateFile("replay.state_file", r.cfg.Replay.StateFile, "how far changes were confirmed is kept in the database alone, where a restored disk goes unnoticed",
		func(path string) error { return durable.RecogniseText(path, postgres.LooksLikePlace) })
	if path := r.cfg.DeparturesFile(); path != "" {
		if err := durable.RecogniseText(path, handover.LooksLikeDepartures); errors.Is(err, durable.ErrForeign) {
			r.warn("replay.state_file", path, "cannot be written: "+err.Error(), "after a restart pages that were at ChatEngine are caught up on more than they missed",
				"replay.state_file: a path where no other program has a file of that name with -departures at its end")
		}
	}
	meaning := "after a start, statuses of older messages cannot be told that changed while the slot was lost"
	if r.cfg.Source.Kind == configs.KindRealtime {
		meaning = "statuses of older messages that change during a restart are not told, nor is that they are not"
	}
	if !r.ledgerHeld(ctx, meaning) {
		r.stateFile("ledger.file", r.cfg.Ledger.File, meaning, ledgerfile.Recognise)
	}
}

// stateFile checks a file that the bridge replaces; recognise tells whether what is there may
// be.
func (r *run) stateFile(key, path, meaning string, recognise func(path string) error) {
	if path == "" {
		return
	}
	if r.cfg.InServiceState(key) {
		r.ok(key, path, "%s is in the directory that systemd makes for the service", path)
		return
	}
	// As the bridge writes it: a new file beside it, renamed.
	err := writable(filepath.Dir(path))
	fix := key + ": a path in a directory that the bridge may write to"
	if info, e := os.Stat(path); e == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err == nil {
		if err = recognise(path); errors.Is(err, durable.ErrForeign) {
			fix = key + ": a path of its own"
		}
	}
	if err != nil {
		r.warn(key, path, "cannot be written: "+err.Error(), meaning, fix)
		return
	}
	r.ok(key, path, "%s can be written", path)
}

// ledgerHeld reports whether a process has the ledger's file that is not the bridge of this
// configuration, and says which.
func (r *run) ledgerHeld(ctx context.Context, meaning string) bool {
	path := r.cfg.Ledger.File
	if path == "" {
		return false
	}
	pid, held := ledgerfile.Held(path)
	if !held {
		return false
	}
	own, refused := r.ownLedger(ctx, path)
	if own {
		return false
	}
	who := "another process"
	if pid != 0 {
		who = fmt.Sprintf("another process, %d", pid)
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
			who += " (" + strings.TrimSpace(string(name)) + ")"
		}
	}
	if refused {
		r.warn("ledger.file", path, "is used by "+who+", and whether that is the bridge of this configuration is not known: at admin.listen the admin.token of this configuration is wrong",
			meaning, "admin.token: the one of the running bridge; or reload that, if this configuration's is the newer one")
		return true
	}
	r.warn("ledger.file", path, "is used by "+who, meaning, "ledger.file: a path of its own for each bridge; or end that process")
	return true
}

// ownLedger asks whether a bridge that runs at this configuration's addresses has the ledger
// open: at the operator's by its status, without that at the public one whether it is a bridge.
// refused: the operator's did not take the token.
func (r *run) ownLedger(ctx context.Context, path string) (own, refused bool) {
	if r.cfg.Admin.Listen == "" {
		return !r.cfg.SocketActivated() && r.bridgeAt(ctx, r.cfg.Listen), false
	}
	host, port, err := net.SplitHostPort(r.cfg.Admin.Listen)
	if err != nil {
		return false, false
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/status", nil)
	if err != nil {
		return false, false
	}
	if token := r.cfg.Admin.Token.Reveal(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return false, false
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusTooManyRequests {
		return false, true
	}
	var status struct{ Ledger struct{ File, Error string } }
	err = json.NewDecoder(io.LimitReader(res.Body, maxStatus)).Decode(&status)
	return err == nil && status.Ledger.File == path && status.Ledger.Error == "", false
}

// maxStatus bounds what is read of /status, in bytes.
const maxStatus = 4 << 20

// writable reports why no file can be made in a directory, or nil.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
