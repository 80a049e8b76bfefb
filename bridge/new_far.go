package bridge

import (
	"fmt"
	"net/http"
	"time"

	"chatbridge/bridge/far"
	"chatbridge/bridge/pipeline"
	"chatbridge/internal/httpclient"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"

	"golang.org/x/time/rate"
)

// newFar returns the reader that catches clients up from the tables on what is older than
// the replay log. It has a pool of its own, so that the pipeline's look-ups never wait for
// it; without a direct connection to a database it reads through the project's PostgREST. It
// is nil, and off says why, where replay.far is 0, there is neither, or the mapping does not
// allow it; the last is logged.
func (d *Daemon) newFar(spec *mapping.Spec, key *serviceKey, project *restClients) (r *far.Reader, off string, err error) {
	if d.cfg.Replay.Far <= 0 {
		return nil, "replay.far is 0", nil
	}
	direct := databaseURL(d.cfg) != ""
	if !direct && d.cfg.Source.Realtime.URL == "" {
		return nil, "there is no direct connection to the database: set lookup.url", nil
	}
	if err := lookup.CanReadPast(spec); err != nil {
		d.log.Warn("clients that were away for longer than the replay log holds are told of a gap, and not caught up from the tables", "reason", err)
		return nil, err.Error(), nil
	}
	o := far.DefaultOptions()
	o.Rows, o.EventBytes = d.cfg.Replay.FarRows, int(d.cfg.Limits.Event)
	o.ChatEngineIDs = messageNames(d.cfg) == pipeline.ChatEngineIDs
	o.ClientID = func(workspace, key string) string { return d.sender.ClientID(workspace, key) } // set before anything runs
	o.Logger = d.log
	if !direct {
		o.Timeout = restTimeout
		if r, err = far.NewPostgREST(d.cfg.Source.Realtime.URL, key.current, project.far, spec, o); err != nil {
			return nil, "", fmt.Errorf("source.realtime.url: %w", err)
		}
		return r, "", nil
	}
	pool, err := d.newPool(o.Parallel + 1)
	if err != nil {
		return nil, "", err
	}
	return far.New(pool, spec, o), "", nil
}

const (
	// restTimeout is far.Options.Timeout over PostgREST, where one reading takes several
	// requests, each of which waits for restRate.
	restTimeout = 10 * time.Second
	// restRate and restBurst bound the requests to PostgREST, per second and at once.
	restRate  = 20
	restBurst = 40
)

// restClients are the HTTP clients for the project's PostgREST. They share one rate: the
// requests of the pipeline's look-ups, which hold up the stream, count against it and never
// wait; those that catch clients up wait for what is left.
type restClients struct{ lookups, far *http.Client }

func newRESTClients() *restClients {
	limit := rate.NewLimiter(restRate, restBurst)
	return &restClients{lookups: httpclient.New(&paced{limit: limit}), far: httpclient.New(&paced{limit: limit, waits: true})}
}

// paced is an http.RoundTripper whose requests count against a rate, and wait for it if waits
// is set.
type paced struct {
	limit *rate.Limiter
	waits bool
}

// RoundTrip implements http.RoundTripper.
func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	if !p.waits {
		p.limit.Allow()
	} else if err := p.limit.Wait(r.Context()); err != nil {
		return nil, fmt.Errorf("wait for the rate of requests to PostgREST: %w", err)
	}
	return http.DefaultTransport.RoundTrip(r)
}
