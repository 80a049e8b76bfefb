package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"chatbridge/bridge/auth"
	"chatbridge/configs"

	"github.com/gorilla/websocket"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 64 << 10

// realtime asks the project's Realtime and PostgREST with the service key.
func (r *run) realtime(ctx context.Context) {
	if r.cfg.Source.Kind != configs.KindRealtime || r.spec == nil {
		return
	}
	r.realtimeSocket(ctx)
	for _, t := range r.spec.Tables() {
		var columns []string
		for _, c := range t.Columns {
			if c.Required {
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
		r.fail("realtime.connect", object, fmt.Sprintf("Realtime refuses: %s %s", res.Status, strings.TrimSpace(string(body))), "no events", "source.realtime.key: the project's service_role or sb_secret_ key, and source.realtime.url its address")
	default:
		r.fail("realtime.connect", object, "Realtime cannot be reached: "+bare(err), "no events", "check source.realtime.url and the network")
	}
}

// bare is an error without the address, which can hold the key.
func bare(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// restTable asks PostgREST for the columns of a table.
func (r *run) restTable(ctx context.Context, id, table string, columns []string) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	rt := r.cfg.Source.Realtime
	schema, name, ok := strings.Cut(table, ".")
	if !ok {
		schema, name = "", table
	}
	query := url.Values{"select": {strings.Join(columns, ",")}, "limit": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rt.URL+"/rest/v1/"+url.PathEscape(name)+"?"+query.Encode(), nil)
	if err != nil {
		r.fail(id, table, bare(err), "", "check source.realtime.url")
		return
	}
	req.Header.Set("apikey", rt.Key.Reveal())
	if !strings.HasPrefix(rt.Key.Reveal(), "sb_") {
		req.Header.Set("Authorization", "Bearer "+rt.Key.Reveal())
	}
	if schema != "" {
		req.Header.Set("Accept-Profile", schema)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.fail(id, table, "PostgREST cannot be reached: "+bare(err), "rows cannot be read back or looked up", "check source.realtime.url and the network")
		return
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent {
		r.ok(id, table, "%s can be read through PostgREST", table)
		return
	}
	var e struct{ Code, Message string }
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxBody))
	_ = json.Unmarshal(body, &e)
	r.fail(id, table, strings.TrimSpace(fmt.Sprintf("PostgREST answers %s %s %s", res.Status, e.Code, e.Message)), "rows cannot be read back or looked up", restFix(res.StatusCode, e.Code, table))
}

func restFix(status int, code, table string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "source.realtime.key: the project's service_role or sb_secret_ key"
	case code == "42501":
		return "GRANT SELECT ON " + table + " TO service_role;"
	case code == "42703":
		return "correct the mapping, or add the column to " + table
	case status == http.StatusNotFound, code == "42P01", code == "PGRST106":
		return "correct the mapping's table, or expose its schema in the project's API settings"
	}
	return "see the project's API logs"
}

// tokens says which tokens will be accepted, and reads the published keys.
func (r *run) tokens(ctx context.Context) {
	a := r.cfg.Auth
	if n := len(a.ChatEngineSecrets); n > 0 {
		r.ok("auth.chatengine", "", "ChatEngine tokens are accepted (%d secrets)", n)
	}
	if n := len(a.SupabaseSecrets); n > 0 {
		r.ok("auth.supabase", "", "Supabase session tokens signed with HS256 are accepted (%d secrets)", n)
	}
	if a.JWKSURL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	n, err := auth.FetchKeys(ctx, r.client, a.JWKSURL)
	switch {
	case err != nil && len(a.ChatEngineSecrets)+len(a.SupabaseSecrets) > 0:
		r.warn("auth.jwks", a.JWKSURL, "the project's keys cannot be read: "+bare(err), "session tokens signed with them are not accepted until they can", "check auth.jwks_url and the network, or auth.jwks_url: none where session tokens are not used")
	case err != nil:
		r.fail("auth.jwks", a.JWKSURL, "the project's keys cannot be read: "+bare(err), "no token can be accepted until they can", "check auth.jwks_url and the network")
	case n == 0:
		r.warn("auth.jwks", a.JWKSURL, "the project publishes no key that can be used", "its session tokens are signed with the JWT secret", "auth.supabase_secret (SUPABASE_JWT_SECRET): the project's JWT secret")
	default:
		r.ok("auth.jwks", a.JWKSURL, "the project publishes %d keys", n)
	}
}
