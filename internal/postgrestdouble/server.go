package postgrestdouble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Options configures a Server.
type Options struct {
	// Database is a superuser's connection string.
	Database string
	// Secret is what tokens are signed with.
	Secret []byte
	// MaxRows is the server's own limit of rows, as Supabase's default of
	// 1000. Default: 1000.
	MaxRows int
	// NoOpenAPI turns the description off.
	NoOpenAPI bool
}

// Server is the double.
type Server struct {
	opts Options

	mu       sync.Mutex
	conn     *pgx.Conn
	requests []string
	status   int
	body     string
}

// New returns a Server that connects when first asked.
func New(o Options) *Server {
	if o.MaxRows <= 0 {
		o.MaxRows = 1000
	}
	return &Server{opts: o}
}

// Close closes the connection.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.conn.Close(ctx)
		s.conn = nil
	}
}

// Fail has every request answered with the status and body; 0 ends it.
func (s *Server) Fail(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

// Requests returns the paths and queries asked for so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// maxAddress is how long an address gateways take, in bytes.
const maxAddress = 8 << 10

// apiError is PostgREST's error body.
type apiError struct {
	status  int
	Code    string  `json:"code"`
	Details *string `json:"details"`
	Hint    *string `json:"hint"`
	Message string  `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

// ServeHTTP answers one request. The path is the table's name, or / for the
// description.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.RequestURI())
	if s.status != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.body))
		return
	}
	if len(r.URL.RequestURI()) > maxAddress {
		http.Error(w, "URI Too Long", http.StatusRequestURITooLong)
		return
	}
	err := s.answer(w, r)
	if err == nil {
		return
	}
	var ae *apiError
	if !errors.As(err, &ae) {
		ae = &apiError{status: http.StatusServiceUnavailable, Code: "PGRST000", Message: "Database connection error. Retrying the connection."}
		if s.conn != nil {
			_ = s.conn.Close(context.WithoutCancel(r.Context()))
			s.conn = nil
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(ae.status)
	_ = json.NewEncoder(w).Encode(ae)
}

// answer does the request. mu is held: one connection serves all.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &apiError{status: http.StatusMethodNotAllowed, Code: "PGRST117", Message: "Unsupported HTTP method: " + r.Method}
	}
	role, err := s.role(r)
	if err != nil {
		return err
	}
	if s.conn == nil {
		if s.conn, err = pgx.Connect(r.Context(), s.opts.Database); err != nil {
			s.conn = nil
			return fmt.Errorf("connect: %w", err)
		}
	}
	schema := r.Header.Get("Accept-Profile")
	if schema == "" {
		schema = "public"
	}
	tx, err := s.conn.Begin(r.Context())
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(r.Context())) }()
	if _, err := tx.Exec(r.Context(), "select set_config('role', $1, true), set_config('TimeZone', 'UTC', true)", role); err != nil {
		return databaseError(err)
	}
	table := strings.Trim(r.URL.Path, "/")
	if table == "" {
		return s.openAPI(r.Context(), w, tx, schema)
	}
	if err := exists(r.Context(), tx, schema, table); err != nil {
		return err
	}
	qualified := pgx.Identifier{schema, table}.Sanitize()
	q, err := parseQuery(qualified, r.URL.Query())
	if err != nil {
		return err
	}
	if err := q.setRange(r.Header.Get("Range")); err != nil {
		return err
	}
	if q.limit < 0 || q.limit > s.opts.MaxRows {
		q.limit = s.opts.MaxRows
	}
	return s.read(w, r, tx, qualified, q)
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, tx pgx.Tx, table string, q *query) error {
	var body string
	var n int
	sql := "select coalesce(json_agg(t)::text, '[]'), count(*) from (" + q.sql(table) + ") t"
	if err := tx.QueryRow(r.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&body, &n); err != nil {
		return databaseError(err)
	}
	total := "*"
	if strings.Contains(r.Header.Get("Prefer"), "count=exact") {
		var c int
		sql := "select count(*) from " + table + q.where()
		if err := tx.QueryRow(r.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&c); err != nil {
			return databaseError(err)
		}
		total = strconv.Itoa(c)
	}
	rng := "*"
	if n > 0 {
		rng = fmt.Sprintf("%d-%d", q.offset, q.offset+n-1)
	}
	w.Header().Set("Content-Range", rng+"/"+total)
	status := http.StatusOK
	if total != "*" && total != strconv.Itoa(n) {
		status = http.StatusPartialContent
	}
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "vnd.pgrst.object") {
		return single(w, accept, body, n)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(body))
	}
	return nil
}

// single answers a request for exactly one row.
func single(w http.ResponseWriter, accept, body string, n int) error {
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(body), &rows); err != nil || n != 1 {
		details := fmt.Sprintf("The result contains %d rows", n)
		return &apiError{status: http.StatusNotAcceptable, Code: "PGRST116", Details: &details, Message: "Cannot coerce the result to a single JSON object"}
	}
	w.Header().Set("Content-Type", accept+"; charset=utf-8")
	_, _ = w.Write(rows[0])
	return nil
}

// role is the role of the token, which the gateway wants to see as an apikey.
func (s *Server) role(r *http.Request) (string, error) {
	if r.Header.Get("apikey") == "" && r.URL.Query().Get("apikey") == "" {
		return "", &apiError{status: http.StatusUnauthorized, Message: "No API key found in request"}
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "anon", nil
	}
	var m jwt.MapClaims
	_, err := jwt.ParseWithClaims(token, &m, func(*jwt.Token) (any, error) { return s.opts.Secret, nil },
		jwt.WithValidMethods([]string{"HS256"}))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "", &apiError{status: http.StatusUnauthorized, Code: "PGRST303", Message: "JWT expired"}
	case err != nil:
		return "", &apiError{status: http.StatusUnauthorized, Code: "PGRST301", Message: "JWSError JWSInvalidSignature"}
	}
	role, _ := m["role"].(string)
	if role == "" {
		role = "anon"
	}
	return role, nil
}

func exists(ctx context.Context, tx pgx.Tx, schema, table string) error {
	var ok bool
	err := tx.QueryRow(ctx, "select to_regclass(quote_ident($1) || '.' || quote_ident($2)) is not null", schema, table).Scan(&ok)
	if err != nil {
		return databaseError(err)
	}
	if !ok {
		return &apiError{
			status: http.StatusNotFound, Code: "PGRST205",
			Message: fmt.Sprintf("Could not find the table '%s.%s' in the schema cache", schema, table),
		}
	}
	return nil
}

// databaseError passes Postgres's error on with the status that PostgREST
// gives it; an error below that stays what it is.
func databaseError(err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return err
	}
	out := &apiError{status: http.StatusBadRequest, Code: pe.Code, Message: pe.Message}
	switch {
	case pe.Code == "42501":
		out.status = http.StatusForbidden
	case pe.Code == "42P01":
		out.status = http.StatusNotFound
	case strings.HasPrefix(pe.Code, "08"), strings.HasPrefix(pe.Code, "57P"):
		return fmt.Errorf("database: %w", err)
	}
	if pe.Hint != "" {
		out.Hint = &pe.Hint
	}
	return out
}
