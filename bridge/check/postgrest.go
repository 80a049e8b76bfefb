package check

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"chatbridge/internal/httpclient"
	"chatbridge/source/readback"
)

// restTable requests the columns of a table from PostgREST.
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
		r.fail(id, table, "PostgREST cannot be reached: "+bare(err), "rows cannot be looked up", "check source.realtime.url and the network")
		return
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusPartialContent {
		r.ok(id, table, "%s can be read through PostgREST", table)
		return
	}
	if to := httpclient.Redirect(res); to != nil {
		r.fail(id, table, fmt.Sprintf("PostgREST answers %s and %v", res.Status, to), "rows cannot be looked up", "source.realtime.url: the project's address, "+to.To+" if that is it")
		return
	}
	var e struct{ Code, Message string }
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxBody))
	_ = json.Unmarshal(body, &e)
	r.fail(id, table, strings.TrimSpace(fmt.Sprintf("PostgREST answers %s %s %s", res.Status, e.Code, e.Message)), "rows cannot be looked up", restFix(res.StatusCode, e.Code, e.Message, table))
}

func restFix(status int, code, message, table string) string {
	switch {
	case status == http.StatusUnauthorized, readback.RoleRefused(code, message):
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
