package bridge

import (
	"chatbridge/bridge/far"
	"chatbridge/bridge/pipeline"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"
)

// newFar returns what reads from the tables what clients missed that is older than the
// log: over a pool of its own, so that the pipeline's look-ups never wait for it. Nil, and
// why, where that is turned off, there is no direct connection to a database, or the
// mapping has nothing to read by; of the last, one line is logged.
func (d *Daemon) newFar(spec *mapping.Spec) (r *far.Reader, off string, err error) {
	if d.cfg.Replay.Far <= 0 {
		return nil, "replay.far is 0", nil
	}
	if databaseURL(d.cfg) == "" {
		return nil, "there is no direct connection to the database: set lookup.url", nil
	}
	if err := lookup.CanReadPast(spec); err != nil {
		d.log.Warn("clients that were away for longer than the replay log holds are told of a gap, and not caught up from the tables", "reason", err)
		return nil, err.Error(), nil
	}
	o := far.DefaultOptions()
	pool, err := d.newPool(o.Parallel + 1)
	if err != nil {
		return nil, "", err
	}
	o.Rows, o.EventBytes = d.cfg.Replay.FarRows, int(d.cfg.Limits.Event)
	o.ChatEngineIDs = messageNames(d.cfg) == pipeline.ChatEngineIDs
	o.Logger = d.log
	return far.New(pool, spec, o), "", nil
}
