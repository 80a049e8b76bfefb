package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"chatbridge/internal/sioclient"

	"github.com/gorilla/websocket"
	"github.com/spf13/cobra"
)

// tailOptions are the flags of `bridge tail`.
type tailOptions struct {
	url, path, token, workspace string
	conversations               []string
	json                        bool
	attempts                    int
	caCert                      string
	insecure                    bool
}

func newTail(std streams) *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail --url URL --token T [--workspace W] [--conversation ID]... [--json] [--cacert FILE]",
		Short: "Connect as a client would and print each event",
		Long: `tail connects as the CRM does, subscribes to the conversations, comes back when
the connection ends, and prints one event a line: time, event, conversation and
what is in it, or with --json the whole event. Messages about the connection go
to standard error. It ends with Ctrl-C, or with exit code 1 when the server
refuses it.`,
		Example: `  bridge tail --url http://127.0.0.1:8080 --token "$(bridge token --workspace 6f6b…)"
  bridge tail --url https://chat.example.com --token - --workspace 6f6b… --json < session.jwt | jq .data`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.url == "" || o.token == "" {
				return usagef("--url and --token are needed: the server's address and a token for it (`bridge token` makes one)")
			}
			if o.attempts < 0 {
				return usagef("--attempts is %d: want the number of failed attempts in a row, or 0 for no end", o.attempts)
			}
			if o.token == "-" {
				line, err := bufio.NewReader(std.in).ReadString('\n')
				if o.token = strings.TrimSpace(line); o.token == "" {
					return fmt.Errorf("read the token from standard input: %w", err)
				}
			}
			return tail(cmd.Context(), o, std)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.url, "url", "", "the server's `address`, such as http://127.0.0.1:8080")
	f.StringVarP(&o.token, "token", "t", "", "the `token`; - reads it from standard input")
	f.StringVarP(&o.workspace, "workspace", "w", "", "the workspace's `id`, for Supabase session tokens")
	f.StringArrayVar(&o.conversations, "conversation", nil, "subscribe to the conversation with this `id`; may be repeated")
	f.BoolVar(&o.json, "json", false, "print each event as a line of JSON")
	f.StringVar(&o.path, "path", "/api/ws", "where the server answers")
	f.StringVar(&o.caCert, "cacert", "", "trust the authorities of this PEM `file` in place of the machine's")
	f.BoolVar(&o.insecure, "insecure", false, "accept any certificate, such as a self-signed one: whoever is between sees the token")
	f.IntVar(&o.attempts, "attempts", 0, "give up after this many failed attempts in a row (the CRM: 5); 0: never")
	return cmd
}

// tail runs the client until ctx ends, the server refuses it, the attempts are used up or
// the output cannot be written.
func tail(ctx context.Context, o tailOptions, std streams) error {
	print := newPrinter(std.out, o.json)
	report := func(format string, args ...any) {
		fmt.Fprintf(std.err, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
	}
	auth := map[string]any{"token": o.token}
	if o.workspace != "" {
		auth["workspaceId"] = o.workspace
	}
	backoff := sioclient.DefaultBackoff()
	backoff.Attempts = o.attempts
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var client *sioclient.Client
	options := sioclient.Options{
		URL: o.url, Path: o.path, Auth: auth, Backoff: backoff,
		OnConnect: func(s sioclient.Session) {
			if s.Recovered {
				report("connected again, nothing missed")
			} else {
				report("connected")
			}
			for _, id := range o.conversations {
				if err := client.Emit("subscribe:conversation", id); err != nil {
					report("subscribe to %s: %v", id, err)
				}
			}
		},
		OnDisconnect: func(err error, retry time.Duration) {
			if retry >= 0 {
				report("%v; next attempt in %s", o.explain(err), retry.Round(100*time.Millisecond))
			}
		},
		OnEvent: func(e sioclient.Event) {
			if err := print.event(e, time.Now()); err != nil {
				stop(err) // such as a closed pipe
			}
		},
	}
	var err error
	if options.Dialer, err = o.dialer(); err != nil {
		return err
	}
	if client, err = sioclient.New(options); err != nil {
		return usagef("--url: %v", err)
	}
	if err := client.Run(ctx); err != nil {
		return o.explain(err)
	}
	return printError(context.Cause(ctx))
}

// dialer returns a Dialer that verifies certificates as --cacert and --insecure say.
func (o *tailOptions) dialer() (*websocket.Dialer, error) {
	trusted := &tls.Config{InsecureSkipVerify: o.insecure}
	if o.caCert != "" {
		pem, err := os.ReadFile(o.caCert)
		if err != nil {
			return nil, usagef("--cacert: %v", err)
		}
		trusted.RootCAs = x509.NewCertPool()
		if !trusted.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("--cacert: %s has no certificate in PEM", o.caCert)
		}
	}
	return &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 20 * time.Second, TLSClientConfig: trusted}, nil
}
