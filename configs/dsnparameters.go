package configs

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"chatbridge/internal/nearest"

	"github.com/jackc/pgx/v5/pgconn"
)

// A database's address is often another program's, with parameters that its library
// keeps to itself. The driver sends what it does not know to the server, which then
// refuses the connection. So what is for other libraries is left out, and what nobody
// knows is an error.

// driverParameters are those that the driver reads; dbname and database are the same.
var driverParameters = strings.Fields(`host port dbname database user password passfile service servicefile
	connect_timeout target_session_attrs sslmode ssl sslkey sslcert sslcertmode sslrootcert sslnegotiation sslpassword sslsni
	krbsrvname krbspn min_protocol_version max_protocol_version channel_binding require_auth`)

// foreignParameters are those that other libraries keep to themselves, in lower case,
// each with its library.
var foreignParameters = func() map[string]string {
	libraries := map[string]string{}
	for library, names := range map[string]string{
		"libpq": `keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout sslcompression sslcrl sslcrldir
			ssl_min_protocol_version ssl_max_protocol_version sslkeylogfile requiressl requirepeer gssencmode gsslib gssdelegation
			load_balance_hosts fallback_application_name replication scram_client_key scram_server_key authtype tty
			oauth_issuer oauth_client_id oauth_client_secret oauth_scope`,
		"Prisma": `schema pgbouncer connection_limit pool_timeout socket_timeout sslaccept sslidentity statement_cache_size
			max_connection_lifetime max_idle_connection_lifetime`,
		"node-postgres": `uselibpqcompat max min query_timeout connectiontimeoutmillis idletimeoutmillis maxlifetimeseconds maxuses
			allowexitonidle keepalive keepaliveinitialdelaymillis binary encoding stream`,
		"pgx": `pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter
			pool_max_conn_idle_time pool_health_check_period pool_ping_timeout statement_cache_capacity description_cache_capacity
			default_query_exec_mode`,
		"Vercel": `supa workaround`,
	} {
		for name := range strings.FieldsSeq(names) {
			libraries[name] = library
		}
	}
	return libraries
}()

// settingParameters matches Postgres's settings that a session may begin with, by the
// families of their names where they have them, and those of extensions, which have a
// dot. One that a family admits and the server does not know is the server's to refuse.
var settingParameters = regexp.MustCompile(`^(` + strings.Join(strings.Fields(`
	.+\..+ options
	(enable|debug|log|vacuum|cpu|geqo|jit|lc|default|track|wal|commit|temp|gin|ssl|io)_.+ (max|min)_parallel_.+ parallel_.+
	tcp_keepalives_.+ maintenance_.+ (idle_in_transaction_)?session_timeout idle_session_timeout
	application_name client_encoding client_min_messages datestyle timezone timezone_abbreviations intervalstyle search_path role
	session_authorization statement_timeout lock_timeout transaction_timeout idle_in_transaction_session_timeout deadlock_timeout
	client_connection_check_interval wal_sender_timeout work_mem logical_decoding_work_mem hash_mem_multiplier jit geqo
	array_nulls backend_flush_after backslash_quote bytea_output check_function_bodies compute_query_id constraint_exclusion
	createrole_self_grant cursor_tuple_fraction dynamic_library_path effective_cache_size effective_io_concurrency
	escape_string_warning event_triggers exit_on_error extra_float_digits file_copy_method from_collapse_limit
	icu_validation_level join_collapse_limit lo_compat_privileges local_preload_libraries max_stack_depth password_encryption
	plan_cache_mode quote_all_identifiers random_page_cost recursive_worktable_factor restrict_nonsystem_relation_kind
	row_security scram_iterations send_abort_for_crash seq_page_cost session_preload_libraries session_replication_role
	standard_conforming_strings stats_fetch_consistency synchronize_seqscans synchronous_commit transaction_isolation
	transaction_read_only transaction_deferrable transform_null_equals update_process_title xmlbinary xmloption`), "|") + `)$`)

// plainSettings are the settings that a misspelt name is compared with.
var plainSettings = strings.Fields(`options application_name client_encoding datestyle timezone search_path role statement_timeout lock_timeout
	transaction_timeout idle_in_transaction_session_timeout idle_session_timeout work_mem synchronous_commit default_transaction_read_only
	tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count row_security`)

const acceptedDSN = "postgres://user:password@host:5432/database, or host=… user=… password=… dbname=…, with parameters of libpq, such as sslmode, " +
	"and settings of Postgres, such as statement_timeout (any other as options=-c%20name=value)"

// dsnParameter is one parameter as it is written.
type dsnParameter struct{ name, text string }

// parameters splits an address at its parameters: of a URL, what comes before them is
// head. ok is false where it cannot be split for sure.
func (d DSN) parameters() (head string, list []dsnParameter, ok bool) {
	if !isPostgresURL(string(d)) {
		list, ok = keywordParameters(string(d))
		return "", list, ok
	}
	head, query, _ := strings.Cut(string(d), "?")
	if !strings.Contains(head, "@") && strings.Contains(query, "@") {
		return "", nil, false // a ? in the password
	}
	for text := range strings.SplitSeq(query, "&") {
		if text == "" {
			continue
		}
		raw, _, has := strings.Cut(text, "=")
		name, err := url.QueryUnescape(raw)
		if err != nil || !has {
			return "", nil, false
		}
		list = append(list, dsnParameter{name, text})
	}
	return head, list, true
}

// keyword matches one keyword and its value at the beginning, as libpq reads them.
var keyword = regexp.MustCompile(`^\s*([^\s=]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|)(?:\s+|$)`)

func keywordParameters(s string) (list []dsnParameter, ok bool) {
	for strings.TrimSpace(s) != "" {
		m := keyword.FindStringSubmatch(s)
		if m == nil {
			return nil, false
		}
		list = append(list, dsnParameter{m[1], strings.TrimSpace(m[0])})
		s = s[len(m[0]):]
	}
	return list, true
}

// foreign returns whose a parameter is if it is not for us, "" if it is.
func (d DSN) foreign(p dsnParameter) string {
	// The driver reads ssl=true of a URL, which libpq does too.
	if p.name == "ssl" && (!isPostgresURL(string(d)) || p.text != "ssl=true") {
		return "node-postgres"
	}
	return foreignParameters[strings.ToLower(p.name)]
}

// forDriver returns the address without other libraries' parameters, and their names
// with the library in brackets.
func (d DSN) forDriver() (address string, dropped []string) {
	head, list, ok := d.parameters()
	if !ok {
		return string(d), nil
	}
	var kept []string
	changed := false
	for _, p := range list {
		if library := d.foreign(p); library != "" {
			dropped = append(dropped, p.name+" ("+library+")")
			continue
		}
		// node-postgres's word for TLS with any certificate.
		text := p.text
		if p.name == "sslmode" && strings.HasSuffix(text, "no-verify") {
			text, changed = "sslmode=require", true
		}
		kept = append(kept, text)
	}
	switch {
	case len(dropped) == 0 && !changed:
		return string(d), nil
	case head == "":
		return strings.Join(kept, " "), dropped
	case len(kept) == 0:
		return head, dropped
	}
	return head + "?" + strings.Join(kept, "&"), dropped
}

// checkParameters returns an error for a parameter that nobody knows. It names one only
// where it cannot be a piece of a password that was not escaped.
func (d DSN) checkParameters() error {
	head, list, ok := d.parameters()
	if !ok {
		if isPostgresURL(string(d)) {
			return errUnescaped
		}
		return errors.New("cannot be read: keyword=value, with spaces between, and values with spaces in single quotes")
	}
	for i, p := range list {
		name := strings.ToLower(p.name)
		switch {
		case p.name == "hostaddr":
			return errors.New("has hostaddr, which is not supported: put the address into host")
		case slices.Contains(driverParameters, p.name), d.foreign(p) != "", settingParameters.MatchString(name):
			continue
		}
		near := nearest.Of(p.name, slices.Concat(driverParameters, plainSettings, slices.Sorted(maps.Keys(foreignParameters))))
		switch {
		case near != "":
			return fmt.Errorf("has the parameter %s, which neither the driver nor Postgres knows; did you mean %s?", quote(p.name), near)
		case strings.Contains(head, "@"):
			return fmt.Errorf("has the parameter %s, which neither the driver nor Postgres knows", quote(p.name))
		}
		return fmt.Errorf("has a parameter, the %d. one, that neither the driver nor Postgres knows", i+1)
	}
	return nil
}

// valued are parameters whose value the driver refuses, by its words.
var valued = []struct{ sign, accepted string }{
	{"unable to read CA file", "sslrootcert=the path of a file with the authority's certificate, which the bridge may read"},
	{"unable to add CA to cert pool", "sslrootcert=the path of a file with the authority's certificate in PEM"},
	{"unable to read sslkey", "sslkey=the path of a file with the client's key, which the bridge may read"},
	{"unable to read cert", "sslcert=the path of a file with the client's certificate, which the bridge may read"},
	{"invalid connect_timeout", "connect_timeout=a whole number of seconds, such as 10"},
	{"sslmode is invalid", "sslmode=disable, allow, prefer, require, verify-ca or verify-full"},
}

// valueError is a parameter's value that cannot be, with what would be right.
type valueError struct{ reason, accepted string }

func (e *valueError) Error() string { return e.reason }

// checkValues returns an error for an address that the driver cannot use: a word that a
// parameter does not have, a certificate's file that is not there.
func (d DSN) checkValues() error {
	_, err := pgconn.ParseConfig(d.Reveal())
	if err == nil {
		return nil
	}
	// Its text begins with the address, in which not every password is found.
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		for _, p := range valued {
			if strings.Contains(text[i:], p.sign) {
				return &valueError{"cannot be used: " + text[i+len("`: "):], p.accepted}
			}
		}
		return fmt.Errorf("cannot be used: %s", text[i+len("`: "):])
	}
	return errors.New("cannot be used")
}
