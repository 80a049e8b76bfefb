package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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

func (e *statusError) Error() string {
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return fmt.Sprintf("PostgREST refuses the key: status %d %s; lookups need the service key", e.status, e.code)
	}
	return fmt.Sprintf("PostgREST: status %d %s %s", e.status, e.code, e.message)
}

// get reads rows of one table, as JSON.
func (p *restFetcher) get(ctx context.Context, t mapping.Table, v url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/"+url.PathEscape(t.Name)+"?"+v.Encode(), nil)
	if err != nil {
		return fmt.Errorf("look up %s: %w", t.Role, err)
	}
	key := p.key()
	req.Header.Set("apikey", key)
	// A key of the newer kind (sb_secret_…) is no JWT and not for this header.
	if !strings.HasPrefix(key, "sb_") {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Profile", t.Schema)
	res, err := p.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text has the whole address
			err = ue.Err
		}
		return fmt.Errorf("look up %s: %w", t.Role, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("look up %s: %w", t.Role, err)
	}
	if res.StatusCode/100 != 2 {
		e := &statusError{status: res.StatusCode}
		var said struct{ Code, Message string }
		if json.Unmarshal(body, &said) == nil {
			e.code, e.message = said.Code, said.Message
		}
		return fmt.Errorf("look up %s: %w", t.Role, e)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("look up %s: read the answer: %w", t.Role, err)
	}
	return nil
}
