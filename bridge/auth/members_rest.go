package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"chatbridge/internal/httpclient"
)

// maxMembersBody bounds an answer of PostgREST, in bytes.
const maxMembersBody = 1 << 20

// RESTMembers asks the project's PostgREST with the service key.
type RESTMembers struct {
	client       *http.Client
	key          func() string
	base, schema string
	table        MembersTable
}

// NewRESTMembers returns a Members that asks the project at projectURL. It uses a copy of
// client, or of net/http's default for nil, that follows no redirects. key is called for
// each request, also concurrently.
func NewRESTMembers(client *http.Client, projectURL string, key func() string, t MembersTable) *RESTMembers {
	m := &RESTMembers{client: httpclient.Of(client), base: strings.TrimRight(projectURL, "/"), key: key, table: t}
	if schema, table, ok := strings.Cut(t.Table, "."); ok {
		m.schema, m.table.Table = schema, table
	}
	return m
}

// Find implements Members.
func (m *RESTMembers) Find(ctx context.Context, user, workspace string) (string, error) {
	rows, err := m.rows(ctx, url.Values{
		"select":                {m.table.WorkspaceColumn},
		m.table.UserColumn:      {"eq." + user},
		m.table.WorkspaceColumn: {"eq." + workspace},
		"limit":                 {"1"},
	})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return idOf(rows[0], m.table.WorkspaceColumn)
}

// Existing implements Members.
func (m *RESTMembers) Existing(ctx context.Context, of []Membership) ([]Membership, error) {
	users, workspaces := make([]string, len(of)), make([]string, len(of))
	for i, one := range of {
		users[i], workspaces[i] = one.User, one.Workspace
	}
	rows, err := m.rows(ctx, url.Values{
		"select":                {m.table.UserColumn + "," + m.table.WorkspaceColumn},
		m.table.UserColumn:      {in(users)},
		m.table.WorkspaceColumn: {in(workspaces)},
	})
	if err != nil {
		return nil, err
	}
	existing := make([]Membership, len(rows))
	for i, row := range rows {
		if existing[i].User, err = idOf(row, m.table.UserColumn); err != nil {
			return nil, err
		}
		if existing[i].Workspace, err = idOf(row, m.table.WorkspaceColumn); err != nil {
			return nil, err
		}
	}
	return existing, nil
}

// in is PostgREST's filter for a value that is one of several.
func in(values []string) string {
	slices.Sort(values)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	quoted := make([]string, 0, len(values))
	for _, v := range slices.Compact(values) {
		quoted = append(quoted, `"`+escape.Replace(v)+`"`)
	}
	return "in.(" + strings.Join(quoted, ",") + ")"
}

// rows asks for rows of the table.
func (m *RESTMembers) rows(ctx context.Context, q url.Values) ([]map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.base+"/rest/v1/"+url.PathEscape(m.table.Table)+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	key := m.key()
	req.Header.Set("apikey", key)
	// The new keys (sb_secret_…) are not JWTs: they are sent in apikey alone.
	if !strings.HasPrefix(key, "sb_") {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if m.schema != "" {
		req.Header.Set("Accept-Profile", m.schema)
	}
	res, err := m.client.Do(req)
	if err != nil {
		return nil, hideQuery(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxMembersBody))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, restError(res, body)
	}
	var rows []map[string]any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&rows); err != nil {
		return nil, fmt.Errorf("answer of PostgREST is not rows: %w", err)
	}
	return rows, nil
}

// idOf returns an id of a row as text.
func idOf(row map[string]any, column string) (string, error) {
	switch v := row[column].(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("answer of PostgREST lacks %s", column)
}

// restError returns nil if PostgREST refused an id as no value of the column's type: no
// row has that id. Other errors have PostgREST's message, but not its details, which may
// repeat values.
func restError(res *http.Response, body []byte) error {
	if to := httpclient.Redirect(res); to != nil {
		return fmt.Errorf("PostgREST answers %s and %w; set source.realtime.url to the project's address", res.Status, to)
	}
	var e struct{ Code, Message string }
	_ = json.Unmarshal(body, &e)
	if res.StatusCode == http.StatusBadRequest && (e.Code == "22P02" || e.Code == "22003") {
		return nil
	}
	if e.Code != "" && e.Code != "22P02" {
		return fmt.Errorf("PostgREST answers %s: %s %s", res.Status, e.Code, e.Message)
	}
	return fmt.Errorf("PostgREST answers %s", res.Status)
}

// hideQuery removes the query from an error of net/http: ids do not belong in
// logs.
func hideQuery(err error) error {
	if e, ok := err.(*url.Error); ok {
		return fmt.Errorf("ask PostgREST: %w", e.Err)
	}
	return err
}
