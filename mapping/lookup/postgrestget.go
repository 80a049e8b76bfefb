package lookup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"chatbridge/internal/httpclient"
	"chatbridge/mapping"
)

// maxAnswer bounds one answer, in bytes.
const maxAnswer = 64 << 20

// noRelationship is PostgREST's code for tables without a foreign key between
// them, undefinedColumn Postgres's for a column that is not there.
const (
	noRelationship  = "PGRST200"
	undefinedColumn = "42703"
)

// statusError is an answer that is not a success. It has PostgREST's code and
// message, which name columns and tables but no rows.
type statusError struct {
	status  int
	code    string
	message string
}

// remedies are what helps, by the code.
var remedies = map[string]string{
	"57014":    "make the indexes that docs/sources.md names, so that rows are found quickly",
	"PGRST106": "add the schema to the API's exposed schemas in the project's settings",
	"PGRST205": "check the table's name, and that its schema is one that the API exposes",
	"42P01":    "check the table's name, and that its schema is one that the API exposes",
}

func (e *statusError) Error() string {
	if e.code == denied {
		return fmt.Sprintf("PostgREST: status %d %s %s; grant select on the table to service_role", e.status, e.code, e.message)
	}
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return fmt.Sprintf("PostgREST refuses the key: status %d %s; lookups need the service key", e.status, e.code)
	}
	text := strings.TrimRight(fmt.Sprintf("PostgREST: status %d %s %s", e.status, e.code, e.message), " ")
	if remedy := remedies[e.code]; remedy != "" {
		text += "; " + remedy
	}
	return text
}

// get reads rows of one table, as JSON.
func (p *restFetcher) get(ctx context.Context, t mapping.Table, v url.Values, into any) error {
	_, err := p.read(ctx, question{what: t.Role, schema: t.Schema, path: url.PathEscape(t.Name) + "?" + v.Encode(), most: maxAnswer}, into)
	return err
}

// question is one request.
type question struct {
	what         string // for errors
	schema, path string
	accept       string // "" for JSON
	most         int64  // bounds the answer, in bytes
}

// errTooLarge is of an answer that is larger than its bound.
var errTooLarge = errors.New("the answer is too large")

// read asks, and returns how large the answer is.
func (p *restFetcher) read(ctx context.Context, q question, into any) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/"+q.path, nil)
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", q.what, err)
	}
	key := p.key()
	req.Header.Set("apikey", key)
	// A key of the newer kind (sb_secret_…) is no JWT and not for this header.
	if !strings.HasPrefix(key, "sb_") {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("Accept", cmp.Or(q.accept, "application/json"))
	req.Header.Set("Accept-Profile", q.schema)
	res, err := p.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text has the whole address
			err = ue.Err
		}
		return 0, fmt.Errorf("look up %s: %w", q.what, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, q.most+1))
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", q.what, err)
	}
	if int64(len(body)) > q.most {
		return 0, fmt.Errorf("look up %s: %w", q.what, errTooLarge)
	}
	if to := httpclient.Redirect(res); to != nil {
		return 0, fmt.Errorf("look up %s: PostgREST: status %d: it %w; set source.realtime.url to the project's address", q.what, res.StatusCode, to)
	}
	if res.StatusCode/100 != 2 {
		e := &statusError{status: res.StatusCode}
		var said struct{ Code, Message string }
		if json.Unmarshal(body, &said) == nil {
			e.code, e.message = said.Code, said.Message
		}
		return 0, fmt.Errorf("look up %s: %w", q.what, e)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, fmt.Errorf("look up %s: read the answer: %w", q.what, err)
	}
	return int64(len(body)), nil
}
