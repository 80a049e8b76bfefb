package readback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"chatbridge/internal/httpclient"
)

// PostgRESTOptions configures a PostgREST reader.
type PostgRESTOptions struct {
	// URL is PostgREST's address, such as https://ref.supabase.co/rest/v1.
	URL string
	// Key returns the service key; it is asked for each request, so that a
	// key that was replaced is picked up.
	Key func(context.Context) (string, error)
	// Client does the requests, but follows no redirects. Default:
	// http.DefaultTransport's settings.
	Client *http.Client
	// Timeout of one request. Default 15 s.
	Timeout time.Duration
	// Rate is the most requests a second, Burst how many at once. Default 10
	// and 10.
	Rate  float64
	Burst int
	// MaxBody is the largest answer read, in bytes. Default 64 MiB.
	MaxBody int64
}

// PostgREST reads through PostgREST, Supabase's REST interface. It holds no
// connection of its own and needs no closing.
type PostgREST struct {
	base    string
	key     func(context.Context) (string, error)
	client  *http.Client
	timeout time.Duration
	limit   *rate.Limiter
	maxBody int64
}

// NewPostgREST returns a reader. It fails on an address that is none.
func NewPostgREST(o PostgRESTOptions) (*PostgREST, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("PostgREST address: want something like https://ref.supabase.co/rest/v1")
	}
	if o.Key == nil {
		return nil, errors.New("PostgREST key is missing")
	}
	r := &PostgREST{
		base: strings.TrimRight(o.URL, "/"), key: o.Key, client: httpclient.Of(o.Client),
		timeout: o.Timeout, maxBody: o.MaxBody,
	}
	if r.timeout <= 0 {
		r.timeout = 15 * time.Second
	}
	if r.maxBody <= 0 {
		r.maxBody = maxAnswer
	}
	if o.Rate <= 0 {
		o.Rate = 10
	}
	if o.Burst <= 0 {
		o.Burst = 10
	}
	r.limit = rate.NewLimiter(rate.Limit(o.Rate), o.Burst)
	return r, nil
}

// Close lets go of idle connections.
func (r *PostgREST) Close() error {
	r.client.CloseIdleConnections()
	return nil
}

// Scan reads one page of sketches.
func (r *PostgREST) Scan(ctx context.Context, q ScanRequest) (Page, error) {
	v := url.Values{}
	v.Set("select", selectList(q.Table.Columns()))
	columns := append([]string{q.By}, q.Table.Key...)
	order := make([]string, len(columns))
	for i, c := range columns {
		order[i] = quoteName(c) + ".asc"
	}
	v.Set("order", strings.Join(order, ","))
	v.Set("limit", strconv.Itoa(q.Limit))
	conds := []string{since(q.By, q.Since)}
	if q.After != nil {
		conds = append(conds, after(columns, q.After))
	}
	v.Set("and", "("+strings.Join(conds, ",")+")")
	var rows []Row
	now, err := r.get(ctx, "scan "+q.Table.String(), q.Table, v, &rows)
	return Page{Rows: rows, Time: now}, err
}

// Fetch reads whole rows by key, in no particular order; keys that are no
// longer there are left out. It splits the keys into as many requests as the
// length of an address allows.
func (r *PostgREST) Fetch(ctx context.Context, t Table, keys [][]string) ([]Row, error) {
	var out []Row
	for len(keys) > 0 {
		filter, n := keysFilter(t.Key, keys)
		v := url.Values{}
		v.Set("select", "*")
		if len(t.Key) == 1 {
			v.Set(t.Key[0], "in.("+filter+")")
		} else {
			v.Set("or", "("+filter+")")
		}
		var rows []Row
		if _, err := r.get(ctx, "read "+t.String(), t, v, &rows); err != nil {
			return nil, err
		}
		out = append(out, rows...)
		keys = keys[n:]
	}
	return out, nil
}

// get does one request and decodes its JSON. The time is the answer's Date.
func (r *PostgREST) get(ctx context.Context, op string, t Table, v url.Values, into any) (time.Time, error) {
	path := "/"
	if t.Name != "" {
		path += url.PathEscape(t.Name)
	}
	if len(v) > 0 {
		path += "?" + v.Encode()
	}
	if err := r.limit.Wait(ctx); err != nil {
		return time.Time{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	// tooLong reports that the request's time passed, and not in connecting.
	tooLong := func() bool { return connected.Load() && bounded.Err() != nil && ctx.Err() == nil }
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(bounded, trace), http.MethodGet, r.base+path, nil)
	if err != nil {
		return time.Time{}, &Error{Op: op, Err: errors.New("build request"), Permanent: true}
	}
	key, err := r.key(ctx)
	if err != nil {
		return time.Time{}, &Error{Op: op, Err: fmt.Errorf("get service key: %w", err)}
	}
	setHeaders(req.Header, key, t)
	resp, err := r.client.Do(req)
	if err != nil {
		// The address holds ids, not the key, but is long: leave it out.
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return time.Time{}, &Error{Op: op, Err: err, Less: tooLong()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.maxBody+1))
	if err != nil {
		// It was under way: too slow, or cut off by something in between.
		return time.Time{}, &Error{Op: op, Status: resp.StatusCode, Err: fmt.Errorf("read answer: %w", err), Less: ctx.Err() == nil}
	}
	if int64(len(body)) > r.maxBody {
		return time.Time{}, &Error{Op: op, Err: fmt.Errorf("answer is over %d bytes", r.maxBody), Less: true}
	}
	if resp.StatusCode/100 != 2 {
		return time.Time{}, refusal(op, resp, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return time.Time{}, &Error{
			Op: op, Status: resp.StatusCode, Err: errors.New("the answer is not the JSON of PostgREST"),
			Hint: "check that source.realtime.url is the project's address",
		}
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, nil
	}
	// The header is cut to seconds; in the mean that much is missing.
	return now.Add(500 * time.Millisecond), nil
}

func setHeaders(h http.Header, key string, t Table) {
	h.Set("apikey", key)
	// Keys of the new kind (sb_secret_…) are no JWT: the gateway takes them
	// from apikey and puts the JWT in itself.
	if !strings.HasPrefix(key, "sb_") {
		h.Set("Authorization", "Bearer "+key)
	}
	h.Set("Accept", "application/json")
	if t.Name == "" {
		h.Set("Accept", "application/openapi+json, application/json;q=0.9")
	}
	// Secret keys are refused for the User-Agents of browsers.
	h.Set("User-Agent", "chatbridge")
	if t.Schema != "" && t.Schema != "public" {
		h.Set("Accept-Profile", t.Schema)
	}
}

// refusal turns an answer that is not 2xx into an Error with a remedy.
func refusal(op string, resp *http.Response, body []byte) error {
	var e struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		// The gateway's own form.
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &e)
	msg := e.Message
	if msg == "" {
		msg = e.Error
	}
	if msg == "" {
		msg = http.StatusText(resp.StatusCode)
	}
	out := &Error{Op: op, Status: resp.StatusCode, Code: e.Code, Err: errors.New(msg), Less: lessHelps(e.Code)}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		out.RetryAfter = min(time.Duration(s)*time.Second, time.Minute)
	}
	if to := httpclient.Redirect(resp); to != nil {
		out.Err, out.Less, out.Permanent = to, false, true
		out.Hint = "set source.realtime.url to the project's address"
		return out
	}
	switch {
	case resp.StatusCode == http.StatusRequestEntityTooLarge, resp.StatusCode == http.StatusRequestURITooLong,
		resp.StatusCode == http.StatusGatewayTimeout && e.Code == "":
		out.Less = true // a gateway's bound
	case resp.StatusCode == http.StatusUnauthorized:
		out.Permanent, out.Hint = true, "the service key was not accepted: set source.realtime.key to the project's service_role or secret key"
	case RoleRefused(e.Code, e.Message):
		out.Permanent, out.Less = true, false
		out.Hint = "the database does not know the key's role, or does not grant it to PostgREST: set source.realtime.key to the project's service_role or secret key"
	case e.Code == "42501":
		out.Permanent, out.Hint = true, "grant select on the table to service_role"
	case e.Code == "42703":
		out.Permanent, out.Hint = true, "a column that the configuration names is not in the table"
	case e.Code == "PGRST106":
		out.Permanent, out.Hint = true, "add the schema to the API's exposed schemas in the project's settings"
	case e.Code == "42P01", e.Code == "PGRST205", resp.StatusCode == http.StatusNotFound:
		out.Permanent, out.Hint = true, "there is no such table for the API: check its name and schema, and that source.realtime.url is the project's address"
	case resp.StatusCode == http.StatusForbidden:
		out.Permanent, out.Hint = true, "the key may not read this: source.realtime.key must be the service key, not the anon key"
	}
	return out
}
