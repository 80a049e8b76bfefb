package bridge

import (
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/far"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/rest"
	"chatbridge/mapping"
)

// restWait is how long a request may wait for its turn at the database.
const restWait = 5 * time.Second

// newREST sets d.rest, which answers ChatEngine's REST interface, and returns the reader of
// the tables for it. The reader has a pool of its own: neither the pipeline's look-ups nor
// clients that are caught up wait for it. Nil where rest.enabled is off.
func (d *Daemon) newREST(spec *mapping.Spec, a *auth.Authenticator) (*far.Reader, error) {
	if !d.cfg.REST.Enabled {
		return nil, nil
	}
	o := far.DefaultOptions()
	o.Wait, o.EventBytes = restWait, int(d.cfg.Limits.Event)
	// With auto, messages have the rows' ids here: a page that was at ChatEngine has its
	// history from ChatEngine's REST, which uses these too.
	o.ChatEngineIDs = messageNames(d.cfg) == pipeline.ChatEngineIDs
	pool, err := d.newPool(o.Parallel + 1)
	if err != nil {
		return nil, err
	}
	tables := far.New(pool, spec, o)
	d.rest = rest.New(rest.Options{
		Tables: tables, Auth: a, Sender: d.sender,
		AdmitAddress: d.api.AdmitsAddress, AdmitOrigin: d.api.AdmitsOrigin, AdmitRequest: d.api.AdmitsRequest, ConversationID: d.api.ConversationID,
		Trusted: d.cfg.Proxies.Trusted, QueryToken: d.cfg.Auth.AllowQueryToken, ChatEngineIDs: o.ChatEngineIDs,
		WriteTimeout: d.cfg.Limits.WriteTimeout, Logger: d.log,
	})
	return tables, nil
}
