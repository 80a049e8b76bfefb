package configs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"chatbridge/internal/nearest"
)

func address(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("is not host:port")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("has the port %s, which is not a number from 0 to 65535", quote(port))
	}
	return nil
}

// isLoopback reports whether only this machine reaches a listener at an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	a, notIP := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || notIP == nil && a.Unmap().IsLoopback())
}

// optional lets the empty text pass.
func optional(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}

func nonEmpty(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	return nil
}

func urlPath(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return errors.New("does not begin with /")
	case s == "/" || strings.HasSuffix(s, "/"):
		return errors.New("ends with /")
	case strings.ContainsAny(s, "?# %"):
		return errors.New("has a character that does not belong in a path")
	}
	return nil
}

func requestPath(s string) error {
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(s, "/") || u.Host != "" || u.Fragment != "" {
		return errors.New("is not a path with or without a query")
	}
	return nil
}

// webURL wants http or https, a host, no credentials, no query. The text of
// url.Parse's errors is not repeated: it can contain a password.
func webURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("does not begin with http:// or https://")
	case u.Host == "":
		return errors.New("has no host")
	case u.User != nil:
		return errors.New("has a user name or password in it, which does not belong there")
	case u.Fragment != "":
		return errors.New("has a fragment")
	}
	return nil
}

func baseURL(s string) error {
	if err := webURL(s); err != nil {
		return err
	}
	if strings.Contains(s, "?") {
		return errors.New("has a query")
	}
	return nil
}

// hostURL wants the address of a server, without a path.
func hostURL(s string) error {
	if err := baseURL(s); err != nil {
		return err
	}
	if u, err := url.Parse(s); err != nil || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return errors.New("has more than a host and a port")
	}
	return nil
}

// projectURL wants the address of a Supabase project, without the path of one of its
// services, which are found below it, and not that of the dashboard.
func projectURL(s string) error {
	if err := baseURL(s); err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("is not a URL")
	}
	if i := strings.Index(u.Path, "/v1"); i >= 0 {
		return fmt.Errorf("is the address of one of the project's services: leave %s out", quote(strings.TrimRight(u.Path, "/")))
	}
	if host := u.Hostname(); host == "supabase.com" || host == "app.supabase.com" || strings.HasPrefix(host, "db.") && strings.HasSuffix(host, ".supabase.co") {
		return errors.New("is not the project's address but its dashboard's or its database's")
	}
	return nil
}

func jwksURL(s string) error {
	if s == none {
		return nil
	}
	return webURL(s)
}

// pageless are schemes that no Origin header has. Those of applications, such as
// capacitor and tauri, are any others.
var pageless = map[string]bool{"javascript": true, "data": true, "vbscript": true, "blob": true, "about": true, "file": true, "ws": true, "wss": true, "ftp": true, "mailto": true, "postgres": true, "postgresql": true}

// origin checks what cors.origins accepts. An Origin header never has a path,
// and a trailing slash is the usual mistake.
func origin(s string) error {
	if s == "*" {
		return nil
	}
	// A wildcard for the port goes with a plain host only.
	if host, ok := strings.CutSuffix(s, ":*"); ok && !strings.Contains(host, "*") {
		s = host
	}
	u, err := url.Parse(strings.Replace(s, "://*.", "://wildcard.", 1))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("is not an origin")
	case pageless[strings.ToLower(u.Scheme)]:
		return fmt.Errorf("has the scheme %s, under which no page is: https or http", quote(u.Scheme))
	case u.Path != "":
		return errors.New("has a path or a trailing slash, which no Origin header has")
	case strings.Contains(u.Host, "*"):
		return errors.New("has a * elsewhere than as the first label of the host or as the port")
	case strings.HasPrefix(s, u.Scheme+"://*.") && !strings.Contains(strings.TrimPrefix(u.Hostname(), "wildcard."), "."):
		return errors.New("would admit a whole top-level domain")
	case u.Host != strings.ToLower(u.Host):
		return errors.New("has upper-case letters, which no Origin header has")
	}
	return nil
}

// sendValues are what an assignment may name.
var sendValues = []string{"id", "client_id", "workspace", "conversation", "user", "content", "reply_to"}

// assignment checks name=value.
func assignment(s string) error {
	name, value, ok := strings.Cut(s, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || name == "" || len(name) > 63:
		return errors.New("is not name=value")
	case len(value) > 1 && strings.HasPrefix(value, "'") && strings.HasSuffix(value, "'"):
		return nil
	case !slices.Contains(sendValues, value):
		if near := nearest.Of(value, sendValues); near != "" {
			return fmt.Errorf("has an unknown value; did you mean %s=%s?", name, near)
		}
		return errors.New("has an unknown value")
	}
	return nil
}

// readStatement wants the conversation and the workspace in a statement, so that none
// reaches another workspace's rows.
func readStatement(s string) error {
	if !strings.Contains(s, "$1") || !strings.Contains(s, "$2") {
		return errors.New("lacks the conversation ($1) or the workspace ($2)")
	}
	if _, more, _ := strings.Cut(notSQL.ReplaceAllString(s, ""), ";"); strings.TrimSpace(more) != "" {
		return errors.New("has more than one statement")
	}
	return nil
}

// notSQL is what a semicolon in a statement may stand in: texts, quoted names, comments.
var notSQL = regexp.MustCompile(`(?s)'[^']*'|"[^"]*"|--[^\n]*|/\*.*?\*/|\$\$.*?\$\$|\$[A-Za-z_]+\$.*?\$[A-Za-z_]+\$`)

// member is assignment without the key of a row, which a function makes.
func member(s string) error {
	if _, value, _ := strings.Cut(s, "="); strings.TrimSpace(value) == "id" {
		return errors.New("has an unknown value")
	}
	return assignment(s)
}

// collectorURL wants the address below which each kind of data has its path.
func collectorURL(s string) error {
	if err := baseURL(s); err != nil {
		return err
	}
	for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
		if strings.HasSuffix(strings.TrimRight(s, "/"), path) {
			return fmt.Errorf("ends in %s, which is added: write it without %[1]s", path)
		}
	}
	return nil
}

// functionsURL wants the address below which /functions/v1 is.
func functionsURL(s string) error {
	if err := baseURL(s); err != nil {
		return err
	}
	if strings.HasSuffix(strings.TrimRight(s, "/"), "/functions/v1") {
		return errors.New("ends in /functions/v1, which is added: write it without /functions/v1")
	}
	return nil
}

func absolutePath(s string) error {
	if !filepath.IsAbs(s) {
		return errors.New("does not begin with /")
	}
	return nil
}

var (
	functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

	slotName   = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)
	identifier = regexp.MustCompile(`^[^\x00]{1,63}$`)
	tableName  = regexp.MustCompile(`^[\pL_][\pL\pN_$]{0,62}(\.[\pL_][\pL\pN_$]{0,62})?$`)
)

func matches(re *regexp.Regexp) func(string) error {
	return func(s string) error {
		if !re.MatchString(s) {
			return errors.New("is not such a name")
		}
		return nil
	}
}

var errUnescaped = errors.New("cannot be read as a URL: special characters in the password must be percent-encoded, such as / as %2F, # as %23, @ as %40")

// parseDSN checks the form, and the names and values of the parameters; whether it
// connects is the source's matter.
func parseDSN(s string) (DSN, error) {
	switch first, _ := utf8.DecodeRuneInString(s); {
	case s == "":
		return "", nil
	case strings.ContainsRune("\"'`“”‘’", first):
		return "", errors.New("begins with a quotation mark, which is a part of the value: leave the quotation marks out")
	case s != strings.TrimSpace(s) && isPostgresURL(strings.TrimSpace(s)):
		return "", errors.New("has a space or a line's end before or after it: leave it out")
	case isPostgresURL(s):
		u, err := url.Parse(s)
		if err != nil || strings.Contains(u.Path+u.Fragment, "@") || u.Fragment != "" {
			return "", errUnescaped
		}
	case strings.Contains(s, "://"):
		return "", errors.New("does not begin with postgres:// or postgresql://")
	case !strings.Contains(s, "="):
		return "", errors.New("is not a connection string")
	}
	if err := DSN(s).checkParameters(); err != nil {
		return "", err
	}
	return DSN(s), DSN(s).checkValues()
}
