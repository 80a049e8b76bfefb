package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/configs"
	"chatbridge/internal/httpclient"

	"github.com/spf13/cobra"
)

// gatewayModes are the arguments of `bridge gateway`, and the mode each sets.
var gatewayModes = map[string]gateway.Mode{
	"status": "", "auto": gateway.Auto, "hold-local": gateway.HoldLocal, "hold-upstream": gateway.HoldUpstream,
}

func newGateway(std streams) *cobra.Command {
	var asJSON bool
	timeout := 5 * time.Second
	cmd := &cobra.Command{
		Use:   "gateway status|hold-local|hold-upstream|auto [--config FILE]",
		Short: "See or override who serves: ChatEngine or the bridge",
		Long: `gateway asks the running daemon on this machine, through its admin listener, who
serves the clients, or sets it:

  status         who serves, why and since when
  hold-local     the bridge serves, whatever ChatEngine's health: for its maintenance
  hold-upstream  ChatEngine serves, whatever its health: the bridge serves nothing
  auto           ChatEngine's health decides

Clients are moved in small batches. The mode lasts until the next one is set, or
the daemon restarts; gateway.hold sets it permanently.

` + configHelp,
		Example: `  bridge gateway hold-local     before ChatEngine's upgrade
  bridge gateway auto           after it
  bridge gateway status --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("say one of status, hold-local, hold-upstream, auto")
			}
			if _, ok := gatewayModes[args[0]]; !ok {
				return usagef("there is no mode %q: say one of status, hold-local, hold-upstream, auto", args[0])
			}
			return nil
		},
		ValidArgs: []string{"status", "hold-local", "hold-upstream", "auto"},
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := loadConfig(cmd, false)
			if err != nil {
				return err
			}
			base, err := adminURL(config.Admin.Listen)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			admin := newOperator(config)
			status, err := gateway.Ask(ctx, httpclient.New(admin), base, gatewayModes[args[0]])
			if err != nil {
				return admin.explain(err)
			}
			return printGateway(std.out, status, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addTimeout(cmd, &timeout)
	addConfigFlags(cmd)
	return cmd
}

// operator is an http.RoundTripper that sends the admin listener's token, if there is one.
// It is not safe for concurrent use.
type operator struct {
	config  *configs.Config
	next    http.RoundTripper
	refused bool // the last answer was 401 or 429
}

func newOperator(c *configs.Config) *operator {
	return &operator{config: c, next: &http.Transport{DisableKeepAlives: true}}
}

// RoundTrip implements http.RoundTripper.
func (o *operator) RoundTrip(r *http.Request) (*http.Response, error) {
	if token := o.config.Admin.Token.Reveal(); token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := o.next.RoundTrip(r)
	if err == nil {
		o.refused = res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusTooManyRequests
	}
	return res, err
}

// explain adds to an error which setting to correct: the token if it was refused, or the
// address if the daemon cannot be reached.
func (o *operator) explain(err error) error {
	switch {
	case err == nil || !o.refused:
		return unreachable(err, "admin.listen", o.config)
	case o.config.Admin.Token == "":
		return fmt.Errorf("%w; this command's configuration has no admin.token: give it the daemon's, with --config or BRIDGE_ADMIN_TOKEN", err)
	}
	return fmt.Errorf("%w; the admin.token that was shown is wrong, the one of this command (%s): correct it there, or, if it is the newer one, reload the daemon at admin.listen (%q)", err, o.config.Origin("admin.token"), o.config.Admin.Listen)
}

// adminURL returns the URL by which this machine reaches the admin listener.
func adminURL(listen string) (string, error) {
	if listen == "" {
		return "", usagef("admin.listen is empty, so the daemon takes no orders: set it to 127.0.0.1:9090")
	}
	address, err := loopback("admin.listen", listen)
	return "http://" + address, err
}

func printGateway(w io.Writer, s gateway.Status, asJSON bool) error {
	if asJSON {
		return printJSON(w, s, "  ")
	}
	health := "not probed yet"
	switch {
	case s.Healthy:
		health = fmt.Sprintf("healthy for %v", time.Since(s.HealthySince).Round(time.Second))
	case s.ProbeError != "":
		health = s.ProbeError
	}
	var b strings.Builder
	fmt.Fprintf(&b, "state       %s for %v: %s\n", s.State, time.Since(s.Since).Round(time.Second), s.Reason)
	fmt.Fprintf(&b, "mode        %s\n", s.Mode)
	fmt.Fprintf(&b, "ChatEngine  %s\n", health)
	_, err := io.WriteString(w, b.String())
	return err
}
