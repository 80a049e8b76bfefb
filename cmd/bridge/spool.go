package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatbridge/bridge/gateway/spool"
	"chatbridge/configs"
	"chatbridge/internal/httpclient"

	"github.com/spf13/cobra"
)

// spoolFlags are the flags of `bridge spool`.
type spoolFlags struct {
	asJSON, all, dead, body bool
	limit                   int
	timeout                 time.Duration
}

func newSpool(std streams) *cobra.Command {
	f := &spoolFlags{timeout: 30 * time.Second}
	cmd := &cobra.Command{
		Use:   "spool list|show|drop|replay [ID]... [--config FILE]",
		Short: "See, drop or send again the webhooks that the gateway keeps",
		Long: `spool is about the webhooks that were kept while ChatEngine could not take them
(spool.dir), and its dead letters, which ChatEngine refused for good:

  list             one line each: number, state, age, size, path, sender, attempts,
                   last error. With --dead dead letters alone
  show ID          headers, those that may be secret masked, and the body's size; with
                   --body the body alone, as it came
  drop ID...       forgets them; with --dead all dead letters, with --all everything
  replay           has those that wait for their next attempt sent now; with --dead, or
                   IDs, dead letters are sent again, behind those that wait

It asks the running daemon on this machine through its admin listener. Where none
runs it opens the file itself.

` + configHelp,
		Example: `  bridge spool list --dead
  bridge spool show 17 --body | jq .
  bridge spool replay --dead    once ChatEngine takes them`,
		ValidArgs: []string{spool.DoList, spool.DoShow, spool.DoDrop, spool.DoReplay},
		Args:      func(_ *cobra.Command, args []string) error { _, err := f.order(args); return err },
		RunE: func(cmd *cobra.Command, args []string) error {
			order, err := f.order(args)
			if err != nil {
				return err
			}
			config, err := loadConfig(cmd, false)
			if err != nil {
				return err
			}
			answer, err := askSpool(cmd.Context(), config, f.timeout, order)
			if err != nil {
				return err
			}
			return printError(printSpool(std, order, answer, f))
		},
	}
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.dead, "dead", false, "dead letters")
	cmd.Flags().BoolVar(&f.all, "all", false, "drop: everything")
	cmd.Flags().BoolVar(&f.body, "body", false, "show: the body")
	cmd.Flags().IntVar(&f.limit, "limit", 1000, "list: how many at most")
	addTimeout(cmd, &f.timeout)
	addConfigFlags(cmd)
	return cmd
}

// order returns what the arguments and flags ask for.
func (f *spoolFlags) order(args []string) (spool.Order, error) {
	const say = "say one of list, show, drop, replay"
	if len(args) == 0 {
		return spool.Order{}, usagef(say)
	}
	o := spool.Order{Do: args[0], All: f.all, Dead: f.dead, Body: f.body, Limit: f.limit}
	for _, arg := range args[1:] {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil || id == 0 {
			return o, usagef("%q is no number of a webhook, as `bridge spool list` shows them", arg)
		}
		o.IDs = append(o.IDs, id)
	}
	ids := len(o.IDs)
	switch {
	case o.Do != spool.DoList && o.Do != spool.DoShow && o.Do != spool.DoDrop && o.Do != spool.DoReplay:
		return o, usagef("there is no %q: %s", o.Do, say)
	case o.Do == spool.DoList && ids > 0:
		return o, usagef("list takes no number: show does")
	case o.Do == spool.DoShow && ids != 1:
		return o, usagef("show takes the number of one webhook")
	case o.Do == spool.DoDrop && ids == 0 && !f.all && !f.dead:
		return o, usagef("say what to drop: numbers, --dead or --all")
	case ids > 0 && (f.all || f.dead):
		return o, usagef("say either numbers, or --dead or --all")
	case f.all && o.Do != spool.DoDrop:
		return o, usagef("--all is for drop")
	case f.body && o.Do != spool.DoShow:
		return o, usagef("--body is for show")
	case f.limit < 1:
		return o, usagef("--limit %d must be at least 1", f.limit)
	}
	return o, nil
}

// askSpool has the daemon carry out an order, or does so itself on the spool's file if no
// daemon listens.
func askSpool(ctx context.Context, c *configs.Config, timeout time.Duration, o spool.Order) (spool.Answer, error) {
	tried := "admin.listen is empty, so that no daemon was asked"
	if c.Admin.Listen != "" {
		tried = fmt.Sprintf("no daemon answers at admin.listen (%q, %s)", c.Admin.Listen, c.Origin("admin.listen"))
		base, err := adminURL(c.Admin.Listen)
		if err != nil {
			return spool.Answer{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		admin := newOperator(c)
		answer, err := spool.Ask(ctx, httpclient.New(admin), base, o)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return answer, admin.explain(err)
		}
	}
	if c.Spool.Dir == "" {
		return spool.Answer{}, fmt.Errorf("%s, and spool.dir, where its file is, is not set: give --config or --spool.dir", tried)
	}
	answer, err := spool.DoOffline(c.Spool.Dir, o)
	switch {
	case errors.Is(err, spool.ErrLocked):
		return answer, fmt.Errorf("%w, and %s: set it to the running daemon's", err, tried)
	case errors.Is(err, fs.ErrNotExist):
		return answer, fmt.Errorf("%s, and spool.dir (%q, %s) has no %s: either no webhook was ever kept there, or these settings are not the daemon's: "+
			"give its configuration with --config, or start it", tried, c.Spool.Dir, c.Origin("spool.dir"), spool.FileName)
	case errors.Is(err, fs.ErrPermission):
		return answer, fmt.Errorf("%s, and its file may not be opened: %w: run this as the daemon's user, or as root", tried, err)
	}
	return answer, err
}

func printSpool(std streams, o spool.Order, a spool.Answer, f *spoolFlags) error {
	switch {
	case o.Do == spool.DoShow && f.body && len(a.Entries) == 1 && !f.asJSON:
		_, err := std.out.Write(a.Entries[0].Body)
		return err
	case f.asJSON:
		return printJSON(std.out, a, "  ")
	case o.Do == spool.DoShow && len(a.Entries) == 1:
		return printWebhook(std.out, &a.Entries[0])
	case o.Do == spool.DoList:
		if err := printWebhooks(std.out, a.Entries); err != nil {
			return err
		}
		if a.More > 0 {
			fmt.Fprintf(std.err, "… and %d more: --limit shows them\n", a.More)
		}
		return nil
	}
	done := map[string]string{spool.DoDrop: "dropped", spool.DoReplay: "to be sent"}[o.Do]
	_, err := fmt.Fprintf(std.out, "%d webhooks %s\n", a.Number, done)
	return err
}

// stateOf is a webhook's state in one word, and its age.
func stateOf(e *spool.Entry, now time.Time) (state, age string) {
	state = "waiting"
	if e.Dead {
		state = "dead"
	}
	return state, now.Sub(e.Kept).Round(time.Second).String()
}

// senderOf returns who sent a webhook: the instance that it names, or else the client's
// address.
func senderOf(e *spool.Entry) string {
	if e.Sender != "" {
		return printable(e.Sender, 40)
	}
	return printable(e.From, 40)
}

func printWebhooks(w io.Writer, entries []spool.Entry) error {
	now := time.Now()
	var b strings.Builder
	for i := range entries {
		e := &entries[i]
		state, age := stateOf(e, now)
		fmt.Fprintf(&b, "%-8d %-7s %9s %9s  %s  %s  attempts %d", e.ID, state, age, configs.Size(e.Size), printable(e.Path, 100), senderOf(e), e.Attempts)
		if e.Error != "" {
			b.WriteString("  " + printable(e.Error, 120))
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printWebhook(w io.Writer, e *spool.Entry) error {
	state, age := stateOf(e, time.Now())
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s %s\n", name, printable(value, 300))
		}
	}
	line("number", strconv.FormatUint(e.ID, 10))
	line("state", state)
	line("kept", fmt.Sprintf("%s, %s ago", e.Kept.Format(time.RFC3339), age))
	line("path", e.Path)
	line("client", e.From)
	line("sender", e.Sender)
	line("attempts", strconv.Itoa(e.Attempts))
	line("error", e.Error)
	if !e.Next.IsZero() {
		line("next", "not before "+e.Next.Format(time.RFC3339))
	}
	for _, h := range e.Header {
		line("header", h)
	}
	line("body", configs.Size(e.Size).String()+"; --body prints it")
	_, err := io.WriteString(w, b.String())
	return err
}
