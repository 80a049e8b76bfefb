package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"chatbridge/configs"

	"github.com/spf13/cobra"
)

// maxHealthBody bounds what is read of the answer, in bytes.
const maxHealthBody = 64 << 10

func newHealthcheck(std streams) *cobra.Command {
	var ready bool
	timeout := 2 * time.Second
	cmd := &cobra.Command{
		Use:   "healthcheck [--ready] [--config FILE]",
		Short: "Ask the running daemon on this machine for its health",
		Long: `healthcheck asks the configured listener's /healthz (with --ready: /readyz) over
loopback, prints the answer's status and reason and exits with 0 if it is healthy and 1 if
not. It is for containers: the image has no other HTTP client.

` + configHelp,
		Example: `  HEALTHCHECK CMD ["/bridge", "healthcheck"]`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadConfig(cmd, false)
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			reason, err := askHealth(ctx, config, path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.out, reason)
			return err
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether events flow, not only whether the process serves")
	addTimeout(cmd, &timeout)
	addConfigFlags(cmd)
	return cmd
}

// askHealth returns the status and reason that the listener answers, or an error if it
// is not healthy.
func askHealth(ctx context.Context, c *configs.Config, path string) (string, error) {
	url, err := loopbackURL(c, path)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		// The certificate is for the name that clients use, not for loopback;
		// nothing secret is sent.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return "", unreachable(fmt.Errorf("ask %s: %w", url, err), "listen", c)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxHealthBody))
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", url, err)
	}
	var health struct{ Status, Reason string }
	// Another program may listen there and answer anything.
	if json.Unmarshal(body, &health) != nil || health.Status == "" {
		return "", fmt.Errorf("%s answered %s, but not as a bridge does: is another program listening there?", url, answer.Status)
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", health.Status, health.Reason)
	}
	return health.Status + ": " + health.Reason, nil
}

// loopbackURL returns the URL by which this machine reaches a path of the public listener.
func loopbackURL(c *configs.Config, path string) (string, error) {
	scheme := "http"
	if c.TLS.CertFile != "" {
		scheme = "https"
	}
	address, err := loopback("listen", c.Listen)
	return scheme + "://" + address + path, err
}

// loopback returns the address by which this machine reaches a listener at listen: the
// loopback address if it listens on every address. key is the setting, for errors.
func loopback(key, listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("%s = %q: %w", key, listen, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}
