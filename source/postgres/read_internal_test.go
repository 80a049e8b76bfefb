package postgres

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"chatbridge/source"
)

type discard struct{ rows int }

func (d *discard) Begin(source.Tx) error       { return nil }
func (d *discard) Change(*source.Change) error { d.rows++; return nil }
func (d *discard) Commit(source.Tx) error      { return nil }
func (d *discard) Gap(source.Gap) error        { return nil }

// recordedFrames returns a recorded stream.
func recordedFrames(t *testing.T) [][]byte {
	t.Helper()
	b, err := os.ReadFile("pgoutput/testdata/pg15.hex")
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for line := range strings.Lines(string(b)) {
		f, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	return frames
}

func newReading(t *testing.T, h source.Handler) *reading {
	t.Helper()
	s, err := New(Options{URL: "postgres://h/db"})
	if err != nil {
		t.Fatal(err)
	}
	s.progress.start(1, 1<<30)
	return &reading{stream: &stream{s: s, wake: make(chan struct{}, 1)}, handler: h, relations: newRelations()}
}

// TestReadingDoesNotAllocate: what is said once per table apart, a stream
// costs no memory per row or transaction.
func TestReadingDoesNotAllocate(t *testing.T) {
	d := &discard{}
	r := newReading(t, d)
	var steady [][]byte
	for _, f := range recordedFrames(t) {
		if err := r.frame(f); err != nil {
			t.Fatal(err)
		}
	}
	if d.rows < 20 {
		t.Fatalf("only %d rows", d.rows)
	}
	// A transaction of the last table's, again and again.
	for _, f := range recordedFrames(t) {
		if f[0] == 'w' && strings.ContainsRune("BIC", rune(f[25])) {
			steady = append(steady, f)
		}
	}
	steady = steady[len(steady)-3:]
	n := testing.AllocsPerRun(100, func() {
		for _, f := range steady {
			if err := r.frame(f); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per transaction", n)
	}
}

// TestBrokenStreamIsFatal: what breaks the protocol's order or shape is never
// skipped.
func TestBrokenStreamIsFatal(t *testing.T) {
	frames := recordedFrames(t)
	var begin, insert, commit, relation []byte
	for _, f := range frames {
		if f[0] != 'w' {
			continue
		}
		switch f[25] {
		case 'B':
			begin = f
		case 'C':
			commit = f
		case 'I':
			insert = f
		case 'R':
			relation = f
		}
	}
	unknown := append(append([]byte(nil), begin[:25]...), 'S', 0, 0, 0, 1, 1)
	for name, stream := range map[string][][]byte{
		"change outside of a transaction": {relation, insert},
		"commit without begin":            {commit},
		"begin inside of a transaction":   {begin, begin},
		"change of an undescribed table":  {begin, insert},
		"a message of protocol version 2": {begin, unknown},
		"an unknown frame":                {{'x', 1, 2, 3}},
		"a keepalive cut short":           {{'k', 1, 2, 3}},
		"a change cut short":              {relation, begin, insert[:len(insert)-1]},
		"an XLogData without its message": {begin[:25]},
		"a frame shorter than its header": {begin[:20]},
		"a row with too few columns":      {relation, begin, append(append([]byte(nil), insert[:31]...), 0, 1, 'n')},
	} {
		r := newReading(t, &discard{})
		var err error
		for _, f := range stream {
			if err != nil {
				t.Errorf("%s: failed early: %v", name, err)
			}
			err = r.frame(f)
		}
		var p *problem
		if !errors.As(err, &p) || p.class != classFatal {
			t.Errorf("%s: %v", name, err)
		}
	}
}
