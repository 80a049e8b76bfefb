//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"chatbridge/bench/internal/proc"
	"chatbridge/internal/throwaway"
	"chatbridge/source"
	"chatbridge/source/postgres"
)

// urlVariable has the database's address for a reader that is this command.
const urlVariable = "BENCH_SOURCE_URL"

// readers are those that are this command.
var readers = map[string]func(ctx context.Context, url, slot string, rows int) error{
	"source": readSource, "loop": readLoop,
}

// reading is what a reader took.
type reading struct {
	took, cpu time.Duration
	peak      float64 // MB
}

// read has a reader, a process of its own, read all rows from a slot.
func read(ctx context.Context, cluster *throwaway.Cluster, db *pgx.Conn, target, database, slot string, rows int) (reading, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd, err := readerCommand(ctx, cluster, db, target, database, slot, rows)
	if err != nil {
		return reading{}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return reading{}, err
	}
	stop, peak := make(chan struct{}), make(chan int, 1)
	go func() { peak <- watchPeak(cmd.Process.Pid, stop) }()
	err = cmd.Wait()
	took := time.Since(began)
	close(stop)
	kb := <-peak
	if err != nil {
		return reading{}, fmt.Errorf("%w\n%s", err, out.String())
	}
	return reading{took: took, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak: float64(kb) / 1000}, nil
}

// watchPeak returns the most memory, in kB, that a process has held until stop is closed,
// to 20 ms: that of its resource usage would begin with what this process holds.
func watchPeak(pid int, stop <-chan struct{}) (kb int) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := proc.Memory(pid, "VmHWM"); err == nil { // else it has ended
			kb = now
		}
		select {
		case <-stop:
			return kb
		case <-tick.C:
		}
	}
}

func readerCommand(ctx context.Context, cluster *throwaway.Cluster, db *pgx.Conn, target, database, slot string, rows int) (*exec.Cmd, error) {
	if target == "recvlogical" {
		var end string
		if err := db.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&end); err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, filepath.Join(cluster.Bin(), "pg_recvlogical"), "-d", cluster.URL(database), "--slot", slot,
			"--start", "--no-loop", "--endpos", end, "-o", "proto_version=1", "-o", "publication_names=bridge", "-f", "/dev/null"), nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-read", target, "-slot", slot, "-rows", strconv.Itoa(rows))
	cmd.Env = append(os.Environ(), urlVariable+"="+cluster.URL(database))
	return cmd, nil
}

// counter takes the changes and counts them.
type counter struct {
	rows, want int
	done       context.CancelFunc
}

func (*counter) Begin(source.Tx) error         { return nil }
func (c *counter) Change(*source.Change) error { c.rows++; return nil }
func (*counter) Gap(g source.Gap) error        { return fmt.Errorf("gap: %s", g.Reason) }

func (c *counter) Commit(source.Tx) error {
	if c.rows >= c.want {
		c.done()
	}
	return nil
}

func readSource(ctx context.Context, url, slot string, rows int) error {
	s, err := postgres.New(postgres.Options{URL: url, Slot: slot})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &counter{want: rows, done: cancel}
	if err := s.Run(ctx, c); err != nil {
		return err
	}
	if c.rows != rows {
		return fmt.Errorf("%d rows came, want %d", c.rows, rows)
	}
	return nil
}

// readLoop receives until all inserts and the commit of the last one have come. It tells
// the server that it lives, as it must, and looks at nothing but a message's type.
func readLoop(ctx context.Context, url, slot string, rows int) error {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return err
	}
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	front := conn.Frontend()
	front.SendQuery(&pgproto3.Query{String: fmt.Sprintf(`START_REPLICATION SLOT "%s" LOGICAL 0/0 (proto_version '1', publication_names '"bridge"')`, slot)})
	if err := front.Flush(); err != nil {
		return err
	}
	confirmed := time.Now()
	for n := 0; ; {
		msg, err := front.Receive()
		if err != nil {
			return err
		}
		switch m := msg.(type) {
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("server: %s", m.Message)
		case *pgproto3.CopyData:
			if len(m.Data) > 25 && m.Data[0] == 'w' {
				switch m.Data[25] {
				case 'I':
					n++
				case 'C':
					if n >= rows {
						return nil
					}
				}
			}
		}
		if n%1000 == 0 && time.Since(confirmed) > 5*time.Second {
			confirmed = time.Now()
			front.Send(&pgproto3.CopyData{Data: append([]byte{'r'}, make([]byte, 33)...)}) // confirms nothing
			if err := front.Flush(); err != nil {
				return err
			}
		}
	}
}
