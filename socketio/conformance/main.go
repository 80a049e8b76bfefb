package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("conformance", flag.ContinueOnError)
	addr := f.String("addr", "127.0.0.1:3000", "address to listen on; port 0 takes a free one")
	mode := f.String("mode", "socketio", "socketio or engineio")
	if err := f.Parse(args); err != nil {
		return err
	}
	app, err := newApp(*mode)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Printf("listening on %s\n", ln.Addr())
	return serve(ctx, ln, app)
}

// shutdownTimeout bounds the end: every client is cut off after it.
const shutdownTimeout = 5 * time.Second

// serve serves app until ctx ends.
func serve(ctx context.Context, ln net.Listener, app app) error {
	server := &http.Server{Handler: app}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	var err error
	select {
	case err = <-ended:
		ended <- err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	shutdownErr := app.shutdown(bounded)
	_ = server.Close()
	if err = <-ended; errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, shutdownErr)
}
