package bridge

import (
	"chatbridge/bridge/far"
	"chatbridge/bridge/pipeline"
	"chatbridge/mapping"
)

// newFar returns what reads from the tables what clients missed that is older than the
// log: over a pool of its own, so that the pipeline's look-ups never wait for it. Nil
// where that is turned off, or there is no direct connection to a database.
func (d *Daemon) newFar(spec *mapping.Spec) (*far.Reader, error) {
	if d.cfg.Replay.Far <= 0 {
		return nil, nil
	}
	o := far.DefaultOptions()
	pool, err := d.newPool(o.Parallel + 1)
	if err != nil || pool == nil {
		return nil, err
	}
	o.Rows, o.EventBytes = d.cfg.Replay.FarRows, int(d.cfg.Limits.Event)
	o.ChatEngineIDs = messageNames(d.cfg) == pipeline.ChatEngineIDs
	return far.New(pool, spec, o), nil
}
