package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"chatbridge/bridge"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
)

// Options configures Run.
type Options struct {
	// Listen is the bridge's public address.
	Listen string
	// For ends the demo after this long; zero runs until the context ends.
	For time.Duration
	// Nodes is how many bridges there are, MinNodes to MaxNodes: one over Redis, killed
	// one after the other, with a client whose view is printed. Zero: one bridge in front of
	// a ChatEngine, and the page. Executable is the program whose `serve` they run.
	Nodes      int
	Executable string
	// Rate is the number of messages per second; each causes three to six
	// events.
	Rate float64
	// Out is where the demo prints; Live is whether it is a terminal, on which
	// one status line is overwritten in place.
	Out  io.Writer
	Live bool
	// Program is the command that was called, for the example with tail.
	Program string
	// Log is the bridge's log.
	Log   *slog.Logger
	Build ops.Build
}

// stopTime is the timeout for stopping Postgres.
const stopTime = 15 * time.Second

// database is the name of the demo's database.
const database = "crm"

// Run runs the demo until ctx ends or Options.For is over, neither of which is
// an error. When it returns no process and no file of it is left.
func Run(ctx context.Context, opts Options) (err error) {
	if err := canListen(opts.Listen); err != nil {
		return err
	}
	if opts.Nodes > 0 {
		if _, err := findRedis(); err != nil {
			return err
		}
	}
	fmt.Fprintln(opts.Out, "Starting a private Postgres ...")
	cluster, err := throwaway.Start(ctx, throwaway.Options{})
	if err != nil {
		return ended(ctx, err)
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = errors.Join(err, cluster.Stop(stopping))
	}()
	pool, err := createDatabase(ctx, cluster)
	if err != nil {
		return ended(ctx, err)
	}
	defer pool.Close()
	if opts.Nodes > 0 {
		return ended(ctx, opts.runNodes(ctx, cluster, pool))
	}
	secret := randomSecret()
	engine, err := startChatEngine(secret, opts.Log)
	if err != nil {
		return err
	}
	defer engine.kill()
	traffic, err := NewTraffic(ctx, pool, opts.Rate, uint64(time.Now().UnixNano()))
	if err != nil {
		return ended(ctx, err)
	}
	traffic.heard = engine
	stage := &stage{
		cluster: cluster, pool: pool, engine: engine, traffic: traffic,
		asked: make(chan func(context.Context) error, maxAsked), counts: map[string]int64{},
	}
	return ended(ctx, opts.run(ctx, secret, stage))
}

// listenFlag is the flag that Options.Listen is of.
const listenFlag = "--listen"

// canListen finds out before anything is started for it whether the address can be had.
func canListen(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return &bridge.ListenError{Key: listenFlag, Address: address, Err: err}
	}
	return ln.Close()
}

// ended returns nil for the error of a context that has ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func createDatabase(ctx context.Context, cluster *throwaway.Cluster) (*pgxpool.Pool, error) {
	conn, err := pgx.Connect(ctx, cluster.URL("postgres"))
	if err != nil {
		return nil, fmt.Errorf("connect to the private Postgres: %w", err)
	}
	_, err = conn.Exec(ctx, "create database "+database)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("create the database: %w", err)
	}
	pool, err := pgxpool.New(ctx, cluster.URL(database))
	if err != nil {
		return nil, fmt.Errorf("connect to the private Postgres: %w", err)
	}
	if _, err := pool.Exec(ctx, schemas.CRM); err != nil {
		pool.Close()
		return nil, fmt.Errorf("create the CRM's tables: %w", err)
	}
	return pool, nil
}

// run runs the bridge, the traffic, the page and the screen.
func (o Options) run(ctx context.Context, secret string, stage *stage) error {
	cfg, err := o.config(stage.cluster.URL(database), secret, stage.engine.url())
	if err != nil {
		return err
	}
	page := &page{stage: stage, control: randomSecret()}
	for i, w := range Workspaces {
		token, err := auth.Sign(secret, w, agent, "", "", time.Now(), tokenTime)
		if err != nil {
			return err
		}
		page.tenants = append(page.tenants, tenant{Number: i + 1, Workspace: w, Name: tenantName(w), Token: token})
	}
	daemon, err := bridge.New(cfg, bridge.Options{
		Build: o.Build, Logger: o.Log,
		Front: func(next http.Handler) http.Handler { page.next = next; return page },
	})
	if err != nil {
		return err
	}
	if err := daemon.Listen(); err != nil {
		daemon.Close()
		if taken := (*bridge.ListenError)(nil); errors.As(err, &taken) && taken.Address == o.Listen {
			return &bridge.ListenError{Key: listenFlag, Address: o.Listen, Err: taken.Err}
		}
		return err
	}
	o.introduce(daemon, page.tenants[0].Token)
	screen := newScreen(o.Out, o.Live, daemon)
	stage.daemon, stage.note = daemon, screen.note

	// For counts from here: starting Postgres is not included.
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return daemon.Run(ctx) })
	group.Go(func() error { return stage.traffic.Run(ctx) })
	group.Go(func() error { return stage.run(ctx) })
	group.Go(func() error { return stage.watch(ctx) })
	group.Go(func() error { return screen.run(ctx) })
	return group.Wait()
}

// config is the configuration of an operator who set the database, the secret and
// ChatEngine's address; the rest is the demo's addresses, and a gateway that is quicker to
// decide than the default, so that there is something to see within seconds.
func (o Options) config(dsn, secret, chatEngine string) (*configs.Config, error) {
	return configs.Load(configs.Sources{Complete: true, Env: []string{
		"DATABASE_URL=" + dsn,
		"CHATENGINE_JWT_SECRET=" + secret,
		"CHATENGINE_URL=" + chatEngine,
		"BRIDGE_LISTEN=" + o.Listen,
		"BRIDGE_ADMIN_LISTEN=127.0.0.1:0",
		"BRIDGE_CORS_ORIGINS=http://localhost:*,http://127.0.0.1:*",
		"BRIDGE_GATEWAY_INTERVAL=250ms",
		"BRIDGE_GATEWAY_RECOVER_AFTER=2s",
	}})
}

func randomSecret() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

func (o Options) introduce(daemon *bridge.Daemon, token string) {
	url := "http://" + reachable(daemon.Addr())
	fmt.Fprintf(o.Out, `
open %[1]s/

The page shows two tenants of a CRM, and has buttons that kill ChatEngine,
restart Postgres, cut its line and write 500 messages.

The bridge serves Socket.IO at   %[1]s/api/ws
How it is doing:                 http://%[2]s/
A token for one of the workspaces (valid for 24 hours):

%[3]s

To see events with a real socket.io-client, paste this into another terminal:

cd "$(mktemp -d)" && npm install --silent --no-fund --no-audit socket.io-client && node -e 'require("socket.io-client").io("%[1]s",{path:"/api/ws",transports:["websocket","polling"],auth:{token:"%[3]s"}}).on("connect",()=>console.log("connected")).on("connect_error",e=>console.log(e.message)).onAny((e,p)=>console.log(e,JSON.stringify(p)))'

Or without npm:  %[4]s tail --url %[1]s --token %[3]s

`, url, daemon.AdminAddr(), token, o.Program)
}
