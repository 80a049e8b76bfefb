package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"chatbridge/configs"
	"chatbridge/internal/httpclient"

	"github.com/gorilla/websocket"
)

// realtime connects to the project's Realtime, reads the tables back, and those that
// are only looked up through PostgREST where that is asked; lookups checks the others.
func (r *run) realtime(ctx context.Context) {
	if r.cfg.Source.Kind != configs.KindRealtime || r.spec == nil {
		return
	}
	r.realtimeSocket(ctx)
	r.readBack(ctx)
	_, database := r.lookupURL()
	for _, t := range r.spec.Tables() {
		if t.Stream || database != "" {
			continue
		}
		var columns []string
		for _, c := range t.Columns {
			if c.Required && !c.Derived() {
				columns = append(columns, c.Name)
			}
		}
		r.restTable(ctx, "realtime.table", t.Schema+"."+t.Name, columns)
	}
}

func (r *run) realtimeSocket(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	rt := r.cfg.Source.Realtime
	address := strings.Replace(rt.URL, "http", "ws", 1) + "/realtime/v1/websocket?vsn=2.0.0&apikey=" + url.QueryEscape(rt.Key.Reveal())
	var dialer websocket.Dialer
	conn, res, err := dialer.DialContext(ctx, address, nil)
	const object = "source.realtime.url"
	switch {
	case err == nil:
		_ = conn.Close()
		r.ok("realtime.connect", object, "Realtime takes a connection")
	case res != nil:
		body, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		if to := httpclient.Redirect(res); to != nil {
			body = []byte(to.Error())
		}
		r.fail("realtime.connect", object, fmt.Sprintf("Realtime refuses: %s %s", res.Status, strings.TrimSpace(string(body))), "no events", "source.realtime.key: the project's service_role or sb_secret_ key, and source.realtime.url its address")
	default:
		r.fail("realtime.connect", object, "Realtime cannot be reached: "+bare(err), "no events", "check source.realtime.url and the network")
	}
}

// bare returns the error's text without the address, which can contain the key.
func bare(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
