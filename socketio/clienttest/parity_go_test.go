package clienttest_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/sioclient"
)

// goClients are clients of internal/sioclient, with the commands and reports of
// testdata/npm/parity.mjs as far as it has them.
type goClients struct {
	ctx   context.Context // ends with the test
	group *group

	mu      sync.Mutex
	clients map[string]*goClient
	running sync.WaitGroup
}

type goClient struct {
	*sioclient.Client
	end context.CancelFunc
}

func startGo(t *testing.T) *group {
	ctx, end := context.WithCancel(context.Background())
	all := &goClients{ctx: ctx, clients: make(map[string]*goClient)}
	all.group = &group{send: all.send, clients: make(map[string]chan report), ended: make(chan struct{})}
	t.Cleanup(func() {
		end()
		all.running.Wait()
		close(all.group.ended)
	})
	return all.group
}

// goCommand is a command to a client.
type goCommand struct {
	Client, Do, URL, Name string
	Tag                   *string
	Args                  []any
	Options               struct {
		Auth         map[string]any
		Query        map[string]string
		ExtraHeaders map[string]string
	}
}

// send follows a command, in the order of the calls for each client.
func (all *goClients) send(command any) error {
	b, err := json.Marshal(command)
	if err != nil {
		return err
	}
	var c goCommand
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	if c.Do == "connect" {
		return all.connect(c)
	}
	all.mu.Lock()
	client := all.clients[c.Client]
	all.mu.Unlock()
	if client == nil {
		return fmt.Errorf("%s of a client that is not there", c.Do)
	}
	switch {
	case c.Do == "disconnect":
		client.end()
	case c.Do == "emit" && c.Tag == nil:
		if err := client.Emit(c.Name, c.Args...); err != nil {
			all.report(c.Client, report{Event: "failed", Message: err.Error()})
		}
	case c.Do == "emit":
		// One after the other: the server reads them in the order of the commands.
		args, err := client.EmitAck(all.ctx, c.Name, c.Args...)
		if err != nil {
			all.report(c.Client, report{Event: "failed", Message: err.Error()})
			break
		}
		all.report(c.Client, report{Event: "acked", Tag: *c.Tag, Args: args})
	default:
		return fmt.Errorf("a Go client cannot %s", c.Do)
	}
	return nil
}

func (all *goClients) connect(c goCommand) error {
	o := sioclient.Options{
		URL: c.URL, Path: "/api/ws", Auth: c.Options.Auth, Header: make(map[string][]string),
		Backoff: sioclient.Backoff{Delay: 100 * time.Millisecond, Most: 100 * time.Millisecond},
	}
	if u, err := url.Parse(c.URL); err == nil && u.Path != "" {
		o.Namespace, u.Path = u.Path, ""
		o.URL = u.String()
	}
	for k, v := range c.Options.Query {
		o.URL += "/?" + k + "=" + v
	}
	for k, v := range c.Options.ExtraHeaders {
		o.Header.Set(k, v)
	}
	o.OnConnect = func(s sioclient.Session) {
		all.report(c.Client, report{Event: "connect", ID: s.ID, Recovered: s.Recovered})
	}
	o.OnDisconnect = func(err error, retry time.Duration) {
		r := report{Event: "disconnect", Reason: err.Error(), Active: retry >= 0}
		if refused := (*sioclient.ConnectError)(nil); errors.As(err, &refused) {
			r = report{Event: "connect_error", Message: refused.Message, Data: refused.Data}
		}
		all.report(c.Client, r)
	}
	o.OnEvent = func(e sioclient.Event) {
		r := report{Event: "received", Name: e.Name, Args: e.Args}
		for _, a := range e.Attachments {
			r.Args = append(r.Args, json.RawMessage(`"`+hex.EncodeToString(a)+`"`))
		}
		all.report(c.Client, r)
	}
	client, err := sioclient.New(o)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(all.ctx)
	all.mu.Lock()
	all.clients[c.Client] = &goClient{client, end}
	all.mu.Unlock()
	all.running.Go(func() {
		defer end()
		err := client.Run(ctx)
		if err == nil {
			all.report(c.Client, report{Event: "disconnect", Reason: "by the client"})
		}
	})
	return nil
}

func (all *goClients) report(client string, r report) {
	select {
	case all.group.client(client) <- r:
	case <-all.ctx.Done():
	}
}
