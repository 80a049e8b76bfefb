package ledgerfile

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writerVariable makes the test's program a process that writes a file; its value is the
// file's path, and how large a file may become, 0 for any size.
const writerVariable = "LEDGERFILE_TEST_WRITER"

// killed is the options of a file that is written until its process is killed.
func killed(path string) Options {
	return Options{Path: path, Identity: "a database", Tables: []string{"t"}, MaxBytes: minBytes}
}

const killedRows = 500

// writer writes numbers into rows, ever greater ones, and says which are on the disk: in
// each line the last number that is. A row's number is its key's, modulo killedRows.
func writer() {
	path, limit, _ := strings.Cut(os.Getenv(writerVariable), " ")
	if bytes, _ := strconv.ParseUint(limit, 10, 64); bytes > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		limitFiles(bytes)
	}
	m, f := newMemory("t"), New(killed(path))
	m.file, f.rows = f, m
	last := 0
	l := f.Load(context.Background(), func(table, key string, row []byte) {
		number, _, _ := strings.Cut(string(row), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			panic(err)
		}
		last = max(last, n)
		m.rows[ref{table, key}] = memoryRow{string(row), int64(n)}
	})
	if l.Lost != "" {
		panic(l.Lost)
	}
	r, failures := random(uint64(last)), 0
	for {
		for range 1 + r.IntN(100) {
			last++
			m.set(0, fmt.Sprint(last%killedRows), fmt.Sprint(last, " ", strings.Repeat("x", r.IntN(500))), int64(last))
		}
		m.header = fmt.Sprint(last)
		if err := f.flush(); err != nil {
			fmt.Println("failed", f.Stats().Error)
			if failures++; failures == 3 {
				limitFiles(1 << 40)
			}
			continue
		}
		fmt.Println(last)
	}
}

// limitFiles makes the disk full for files of so many bytes.
func limitFiles(bytes uint64) {
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: 1 << 40}); err != nil {
		panic(err)
	}
}

func startWriter(t *testing.T, path string, limit int) (lines *bufio.Scanner, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), fmt.Sprint(writerVariable, "=", path, " ", limit))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out), func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}
}

// TestKilledWhileWriting: a process that is killed at any moment leaves a file that has
// all that was said to be on the disk, and is whole.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	path, r := t.TempDir()+"/ledger", random(7)
	acknowledged := 0
	for range 12 {
		lines, kill := startWriter(t, path, 0)
		for range 1 + r.IntN(30) {
			if !lines.Scan() {
				t.Fatal("the writer ended")
			}
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			if n < acknowledged {
				t.Fatalf("it goes on at %d, after %d was on the disk", n, acknowledged)
			}
			acknowledged = n
		}
		time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond) // somewhere in the next writing
		kill()
		for lines.Scan() { // what it had said before it was killed
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acknowledged = n
			}
		}
		rows, l, _ := load(t, killed(path))
		if l.Lost != "" {
			t.Fatal(l.Lost)
		}
		header, err := strconv.Atoi(string(l.Header))
		if err != nil || header < acknowledged {
			t.Fatalf("the header is %q, though %d was on the disk", l.Header, acknowledged)
		}
		if len(rows) < min(acknowledged, killedRows-1) {
			t.Fatalf("%d rows, %d were written", len(rows), acknowledged)
		}
		for row, text := range rows {
			number, _, _ := strings.Cut(text, " ")
			n, err := strconv.Atoi(number)
			if err != nil || fmt.Sprint(n%killedRows) != row.key || n <= acknowledged-killedRows {
				t.Fatalf("row %s is %.20q, with %d on the disk", row.key, text, acknowledged)
			}
		}
	}
}

// TestAFullDisk: what does not fit fails in clear words, the process goes on, the file
// stays as it was last written, and has all once there is room.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/ledger"
	lines, kill := startWriter(t, path, 100<<10)
	defer kill()
	last, before := 0, 0
	for failures := 0; failures < 3 || last == before; {
		if !lines.Scan() {
			t.Fatal("the writer ended")
		}
		text, failed := strings.CutPrefix(lines.Text(), "failed ")
		if !failed {
			last, _ = strconv.Atoi(text)
			continue
		}
		if failures++; failures == 1 {
			rows, l, _ := readOnly(t, path)
			if l.Lost != "" || string(l.Header) != fmt.Sprint(last) || len(rows) == 0 {
				t.Errorf("%d rows, header %q, want %d: %s", len(rows), l.Header, last, l.Lost)
			}
		}
		before = last
		if !strings.Contains(text, "file too large") || !strings.Contains(text, "ledger.file") {
			t.Fatalf("the error is %q", text)
		}
	}
	kill()
	rows, _, _ := load(t, killed(path))
	for n := max(last-killedRows, 0) + 1; n <= last; n++ {
		number, _, _ := strings.Cut(rows[ref{"t", fmt.Sprint(n % killedRows)}], " ")
		if got, _ := strconv.Atoi(number); got < n {
			t.Fatalf("row %d is %q, with %d written", n, number, last)
		}
	}
}

// readOnly reads a file that a process has the lock of, which does not write it now.
func readOnly(t *testing.T, path string) (map[ref]string, Loaded, *File) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o := killed(t.TempDir() + "/copy")
	if err := os.WriteFile(o.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, o)
}
