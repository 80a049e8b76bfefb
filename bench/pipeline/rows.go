//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// mark is what the time at which a message was due follows in its body.
const mark = " due:"

// dueDigits is the length of that time.
const dueDigits = 16

var padding = strings.Repeat("x", 120)

// insertRows inserts n messages of some 500 bytes a row into conversation i,
// in one statement.
func (st *stage) insertRows(ctx context.Context, i, n int, due uint64) error {
	_, err := st.pool.Exec(ctx, `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, external_id)
		select $1, $2, $3, 'delivered', false, '5511987650001@s.whatsapp.net', '3EB0' || replace(gen_random_uuid()::text, '-', '')
		from generate_series(1, $4::int)`, workspace, conversationID(i), body(due), n)
	return err
}

// copyRows inserts the same with COPY, the way that costs Postgres least.
func (st *stage) copyRows(ctx context.Context, i, n int, due uint64) error {
	st.buf.Reset()
	for range n {
		st.copied++
		fmt.Fprintf(&st.buf, "%s\t%s\t%s\tdelivered\tf\t5511987650001@s.whatsapp.net\t3EB0%032X\n",
			workspace, conversationID(i), body(due), st.copied)
	}
	conn, err := st.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().CopyFrom(ctx, &st.buf,
		"copy messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid, external_id) from stdin")
	return err
}

func body(due uint64) string { return fmt.Sprintf("%s%s%0*x", padding, mark, dueDigits, due) }

// parseDue reads when the message was due from its packet. There is no number:
// a row gets none that tells the order of commits.
func parseDue(packet []byte) (seq, due uint64, ok bool) {
	_, rest, ok := bytes.Cut(packet, []byte(mark))
	if !ok || len(rest) < dueDigits {
		return 0, 0, false
	}
	due, err := strconv.ParseUint(string(rest[:dueDigits]), 16, 64)
	return 0, due, err == nil
}
