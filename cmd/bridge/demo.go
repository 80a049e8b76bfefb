package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"chatbridge/configs"
	"chatbridge/demo"

	"github.com/spf13/cobra"
)

func newDemo(std streams) *cobra.Command {
	opts := demo.Options{Out: std.out}
	var logFile string
	cmd := &cobra.Command{
		Use:   "demo [--listen ADDR] [--for DURATION] [--rate N] [--nodes N]",
		Short: "Run everything on this machine, with nothing to configure",
		Long: `demo starts a private Postgres, fills it with the CRM's schema and two sample
workspaces, writes what WhatsApp contacts and the CRM's users would write
(texts and media in and out, replies, statuses, typing), and runs the bridge in
front of a stand-in for ChatEngine. The page at its address shows a CRM with two
tenants, says who serves, and has buttons that kill ChatEngine, restart Postgres,
cut the page's line and write 500 messages; it counts what the database has and
what it shows. It is for this machine alone. The terminal says the same, with a
ready token and a line that connects a real client. Ctrl-C, or the end of --for,
leaves nothing behind.

With --nodes there is no page: that many bridges are one, over Redis, behind a small
load balancer without stickiness. One after the other is killed and started again, and
what a client has seen meanwhile is compared with the database. It needs redis-server or
valkey-server on the PATH.

Postgres is searched in $BRIDGE_POSTGRES_BIN, on the PATH and where Debian's
and Homebrew's packages put it.`,
		Example: `  bridge demo
  bridge demo --for 20s --rate 50
  bridge demo --nodes 3
  bridge demo --listen 127.0.0.1:9000 --log demo.log`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(opts.Rate > 0 && opts.Rate <= maxDemoRate) { // also true of NaN
				return usagef("--rate is %v: want more than 0 and at most %d messages a second", opts.Rate, maxDemoRate)
			}
			if opts.For < 0 {
				return usagef("--for is %v: want a duration such as 20s, or 0 for no end", opts.For)
			}
			if n := opts.Nodes; n != 0 && (n < demo.MinNodes || n > demo.MaxNodes) {
				return usagef("--nodes is %d: want %d to %d bridges, or 0 for one with a page", n, demo.MinNodes, demo.MaxNodes)
			}
			// Refuse a wrong --listen here, where the error can name the flag.
			if _, err := configs.Load(configs.Sources{Flags: cmd.Flags()}); err != nil {
				return err
			}
			executable, err := os.Executable()
			if err != nil {
				return err
			}
			opts.Executable = executable
			opts.Live = isTerminal(std.out)
			opts.Build = build()
			opts.Program = program()
			// The status line on the screen is overwritten in place, so only
			// warnings are logged there; --log takes the rest.
			opts.Log = slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
			if logFile != "" {
				f, err := os.Create(logFile)
				if err != nil {
					return usagef("--log: %v", err)
				}
				defer f.Close()
				opts.Log = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			return demo.Run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Listen, "listen", "127.0.0.1:8080", "the bridge's `address`; port 0 takes a free one")
	flags.DurationVar(&opts.For, "for", 0*time.Second, "end after this `duration`; 0 runs until Ctrl-C")
	flags.Float64Var(&opts.Rate, "rate", 3, "messages that begin per second")
	flags.IntVar(&opts.Nodes, "nodes", 0, "run `N` bridges that are one, and kill them in turn; 0 runs one, with a page")
	flags.StringVar(&logFile, "log", "", "write the bridge's log to this `file`")
	return cmd
}

// maxDemoRate, in messages per second, is well below what four connections to
// one Postgres can write.
const maxDemoRate = 1000

// program returns the command by which this program can be called again.
func program() string {
	if len(os.Args) > 0 && os.Args[0] != "" && filepath.Base(os.Args[0]) != "bridge.test" {
		return os.Args[0]
	}
	return "bridge"
}
