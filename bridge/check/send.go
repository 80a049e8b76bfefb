package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/bridge/send"
	"chatbridge/configs"
)

// send checks what sends the texts that clients write.
func (r *run) send(ctx context.Context) {
	s := r.cfg.Send
	switch s.Mode {
	case configs.SendFunction:
		r.sendFile(s.StateFile)
		r.function(ctx, s.Function.Name)
	case configs.SendOutbox:
		r.sendFile(s.StateFile)
		r.outbox(ctx)
	default:
		r.ok("send.mode", "", "texts that users write while the bridge serves them are refused, and shown as failed")
	}
	if s.Function.Read != "" {
		r.function(ctx, s.Function.Read)
	}
}

// sendFile checks that send.state_file can be written.
func (r *run) sendFile(path string) {
	if _, err := os.Stat(path); err != nil && r.cfg.InServiceState("send.state_file") {
		r.ok("send.state_file", path, "%s is in the directory that systemd makes for the service", path)
		return
	}
	err := writable(filepath.Dir(path))
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_RDWR, 0); err == nil {
			err = f.Close()
		} else if os.IsNotExist(err) {
			err = nil
		}
	}
	if err != nil {
		r.fail("send.state_file", path, "cannot be written: "+err.Error(), "every message is refused: what was sent could not be known again", "send.state_file: a path in a directory that the bridge may write to")
		return
	}
	var bad *send.FileError
	if err := send.CheckFile(path); errors.As(err, &bad) && !bad.Busy { // busy: the running bridge has opened it
		r.fail("send.state_file", path, bad.Err.Error(), "every message is refused: what was sent could not be known again", bad.Remedy)
		return
	}
	r.ok("send.state_file", path, "%s can be written", path)
}

// function sends the Edge Function a CORS preflight, which sends no message.
func (r *run) function(ctx context.Context, name string) {
	const id = "send.function"
	address := send.FunctionURL(r.cfg.Send.Function.URL, name)
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	const refused = "texts that users write while the bridge serves them are shown as failed"
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, address, nil)
	if err != nil {
		r.fail(id, address, bare(err), refused, "correct send.function.url")
		return
	}
	req.Header.Set("Apikey", r.cfg.Send.AnonKey.Reveal())
	res, err := r.client.Do(req)
	if err != nil {
		r.fail(id, address, "the function cannot be reached: "+bare(err), refused, "check send.function.url and the network")
		return
	}
	_ = res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		r.fail(id, address, "the project has no function of that name", refused, "send.function.name: the function's name, or deploy it: supabase functions deploy "+name)
	case res.StatusCode/100 == 3:
		r.fail(id, address, "answers with a redirect, which is not followed: users' sessions go to the configured address alone", refused, "send.function.url: the address that it redirects to")
	case res.StatusCode/100 == 5:
		r.warn(id, address, "the function answers "+res.Status, "texts may be shown as failed", "see the function's logs in the project")
	default:
		r.ok(id, address, "the function %s is there", name)
	}
}

// outbox checks the role, the tables and the columns of the outbox.
func (r *run) outbox(ctx context.Context) {
	o := r.cfg.Send.Outbox
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	conn, finding := connect(ctx, "send.outbox.url", o.URL, r.cfg)
	if conn == nil {
		finding.Meaning = "texts that users write while the bridge serves them are shown as failed"
		r.add(finding)
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	before := len(r.findings)
	message, err := send.ParseFields(o.Message)
	if err != nil {
		r.fail("send.outbox", "send.outbox.message", err.Error(), "the bridge does not start", "correct it")
		return
	}
	columns, err := send.ParseFields(o.Columns)
	if err == nil {
		_, err = send.NewOutbox(nil, send.OutboxOptions{Table: o.Table, Columns: columns})
	}
	if err != nil {
		r.fail("send.outbox", "send.outbox.columns", err.Error(), "the bridge does not start", "send.outbox.columns with client_id, workspace and content among the values")
		return
	}
	r.outboxTable(ctx, conn, o.Messages, "send.outbox.message", message, nil)
	r.outboxTable(ctx, conn, o.Table, "send.outbox.columns", columns, names(send.KnownBy(columns)))
	if r.spec != nil {
		t := r.spec.Tables()[1]
		if t.Workspace >= 0 {
			r.outboxTable(ctx, conn, t.Schema+"."+t.Name, "mapping", nil, []string{t.Columns[t.Key].Name, t.Columns[t.Workspace].Name})
		}
	}
	r.outboxRole(ctx, conn)
	r.readStatement(ctx, conn)
	if len(r.findings) == before {
		r.ok("send.outbox", o.Table, "messages can be stored in %s and %s", o.Messages, o.Table)
	}
}

// outboxRole warns of a superuser.
func (r *run) outboxRole(ctx context.Context, conn *pgx.Conn) {
	var role string
	var super bool
	if err := conn.QueryRow(ctx, "select rolname, rolsuper from pg_roles where rolname = current_user").Scan(&role, &super); err == nil && super {
		r.warn("send.outbox_role", "send.outbox.url", "the role "+role+" is a superuser", "whoever has the address may do anything in the database",
			"send.outbox.url with a role of its own, which has the rights that docs/sending.md lists")
	}
}

// readStatement has the database look at send.outbox.read, and at the role's rights for it,
// without running it.
func (r *run) readStatement(ctx context.Context, conn *pgx.Conn) {
	const key = "send.outbox.read"
	sql := r.cfg.Send.Outbox.Read
	if sql == "" {
		return
	}
	args := []any{pgx.QueryExecModeExec, nil, nil}
	if strings.Contains(sql, "$3") {
		args = append(args, nil)
	}
	_, err := conn.Exec(ctx, "explain "+sql, args...)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42601" { // one that cannot be explained, such as CALL, or none at all
		_, err = conn.Prepare(ctx, "", sql)
	}
	fix := "correct " + key
	if errors.As(err, &refused) && refused.Code == "42501" {
		fix = "GRANT the role of send.outbox.url what the statement needs: SELECT on the columns that it compares, UPDATE on those that it sets (docs/sending.md)"
	}
	if err != nil {
		r.fail(key, "", "the database refuses the statement: "+err.Error(), "conversations cannot be marked as read while the bridge serves", fix)
	}
}

func names(fields []send.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

const outboxColumns = `select a.attname, a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '',
	has_column_privilege(a.attrelid, a.attnum, 'INSERT'), has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
	c.relrowsecurity and not pg_has_role(c.relowner, 'USAGE') and not (select rolbypassrls or rolsuper from pg_roles where rolname = current_user), current_user
	from pg_attribute a join pg_class c on c.oid = a.attrelid
	where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped`

// outboxTable checks that a table's columns can be written, and those of reads be read.
func (r *run) outboxTable(ctx context.Context, conn *pgx.Conn, table, setting string, writes []send.Field, reads []string) {
	type column struct {
		Name                              string
		Needed, Insert, Select, RowRights bool
		Role                              string
	}
	const id, refused = "send.outbox", "texts that users write while the bridge serves them are shown as failed"
	quoted := pgx.Identifier(strings.SplitN(table, ".", 2)).Sanitize()
	rows, err := conn.Query(ctx, outboxColumns, quoted)
	if err != nil {
		r.fail(id, table, err.Error(), refused, "")
		return
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		r.fail(id, table, err.Error(), refused, "")
		return
	}
	if len(columns) == 0 {
		r.fail(id, table, "there is no such table, or its schema may not be used", refused, "create it (docs/sending.md), or GRANT USAGE ON SCHEMA, or correct send.outbox")
		return
	}
	known, written := make(map[string]column), make(map[string]bool)
	for _, c := range columns {
		known[c.Name] = c
	}
	role := pgx.Identifier{columns[0].Role}.Sanitize()
	missing := make(map[string][]string) // by right
	need := func(name, right string, has func(column) bool) {
		c, there := known[name]
		switch {
		case !there:
			r.fail(id, table+"."+name, "there is no column "+name, refused, "correct "+setting)
		case !has(c):
			missing[right] = append(missing[right], pgx.Identifier{name}.Sanitize())
		}
	}
	for _, f := range writes {
		written[f.Name] = true
		need(f.Name, "INSERT", func(c column) bool { return c.Insert })
	}
	for _, name := range reads {
		need(name, "SELECT", func(c column) bool { return c.Select })
	}
	for _, right := range []string{"SELECT", "INSERT"} {
		if of := strings.Join(missing[right], ", "); of != "" {
			r.fail("send.outbox_rights", table, fmt.Sprintf("the role %s lacks %s of %s", columns[0].Role, right, of), refused,
				fmt.Sprintf("GRANT %s (%s) ON %s TO %s;", right, of, quoted, role))
		}
	}
	for _, c := range columns {
		if c.Needed && len(writes) > 0 && !written[c.Name] {
			r.fail(id, table+"."+c.Name, c.Name+" is not null, has no default, and is not written", refused, "add it to "+setting+", or give it a default")
		}
	}
	if columns[0].RowRights {
		r.warn(id, table, "row level security is on, and the role "+columns[0].Role+" is bound by it", "rows may be refused, or not be found", "ALTER ROLE "+role+" BYPASSRLS; or a policy for the role")
	}
}
