package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/cluster"
	"chatbridge/bridge/far"
	"chatbridge/bridge/send"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"
)

// newSender returns the Sender, which sends the texts that clients write.
func (d *Daemon) newSender(spec *mapping.Spec, conversations api.Conversations, tables *far.Reader, log *slog.Logger) (*send.Sender, error) {
	c := d.cfg.Send
	o := send.Options{
		File: c.StateFile, PerMinute: c.PerMinute, Timeout: c.Timeout, Logger: log,
		Emit:          func(ev send.Event) { d.api.Tell(ev) }, // set before anything runs
		Conversations: sendConversations{conversations, tables},
		Fresh:         func(since time.Time) bool { return sourceState{d.source}.Fresh(since) },
	}
	if joined := clusterOf(d.source); joined != nil {
		o.Claims = cluster.NewClaims(joined.shared)
	}
	var outbox send.Beginner
	if url := c.Outbox.URL; url != "" {
		pool, err := lookup.NewPool(url.Reveal(), lookup.PoolOptions{
			MaxConns: outboxPoolSize, ConnectTimeout: d.cfg.Source.Postgres.ConnectTimeout, Password: d.passwords.of(outboxURL),
		})
		if err != nil {
			return nil, fmt.Errorf("send.outbox.url: %w", err)
		}
		d.pools = append(d.pools, pool)
		outbox = pool
	}
	if c.Outbox.Read != "" {
		o.Read = &send.Statement{DB: outbox, SQL: c.Outbox.Read}
	}
	switch c.Mode {
	case configs.SendFunction:
		f, err := newFunction(c, d.passwords.anonKey)
		if err != nil {
			return nil, err
		}
		if o.Way = f; c.Function.Read != "" {
			o.Read = f
		}
	case configs.SendOutbox:
		way, err := newOutbox(c.Outbox, outbox, spec)
		if err != nil {
			return nil, fmt.Errorf("send.outbox: %w", err)
		}
		o.Way = way
	}
	if conversations == nil && (o.Way != nil || o.Read != nil) {
		return nil, fmt.Errorf("send.mode: whose a conversation is cannot be asked: set source.postgres.url, lookup.url or source.realtime.url with its key, and map the conversations' id and workspace to columns")
	}
	return send.New(o), nil
}

// outboxPoolSize bounds the connections to send.outbox.url.
const outboxPoolSize = 4

func newFunction(c configs.Send, anonKey func() string) (*send.Function, error) {
	f := c.Function
	body, err := send.ParseFields(f.Body)
	if err != nil {
		return nil, fmt.Errorf("send.function.body: %w", err)
	}
	o := send.FunctionOptions{URL: send.FunctionURL(f.URL, f.Name), AnonKey: anonKey, Body: body, Proxy: f.Proxy}
	if f.Read != "" {
		o.ReadURL = send.FunctionURL(f.URL, f.Read)
	}
	way, err := send.NewFunction(o)
	if err != nil {
		return nil, fmt.Errorf("send.function.proxy: %w", err)
	}
	return way, nil
}

func newOutbox(c configs.SendToOutbox, db send.Beginner, spec *mapping.Spec) (*send.Outbox, error) {
	o, err := outboxOptions(c, spec)
	if err != nil {
		return nil, err
	}
	return send.NewOutbox(db, o)
}

func outboxOptions(c configs.SendToOutbox, spec *mapping.Spec) (o send.OutboxOptions, err error) {
	id, workspace, ok := conversationColumns(spec)
	if !ok {
		return o, fmt.Errorf("the mapping's conversations have no columns for id and workspace")
	}
	o = send.OutboxOptions{
		Messages: c.Messages, Table: c.Table, Channel: c.Channel,
		Conversations: conversationTable(spec), ConversationID: id, ConversationWorkspace: workspace,
	}
	if o.Message, err = send.ParseFields(c.Message); err == nil {
		o.Columns, err = send.ParseFields(c.Columns)
	}
	return o, err
}

// sendConversations is the send.Conversations of a Daemon.
type sendConversations struct {
	api.Conversations
	tables *far.Reader // nil where clients are not caught up from the tables
}

// Payload implements send.Conversations.
func (c sendConversations) Payload(ctx context.Context, workspace, conversation string) []byte {
	if c.tables == nil {
		return nil
	}
	payload, err := c.tables.Conversation(ctx, workspace, conversation)
	if err != nil {
		return nil // the event of the conversation's row follows
	}
	return payload
}
