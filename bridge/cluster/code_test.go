package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/mapping/contract"
	"chatbridge/source"
)

func sample(rng *rand.Rand) *cluster.Entry {
	id := cluster.ID{Commit: 1 + rng.Uint64N(100), Sub: rng.Uint64N(3)}
	e := &cluster.Entry{Epoch: cluster.Epoch{System: rng.Uint64(), Database: rng.Uint32(), Timeline: 3, Count: 1}, Prev: id}
	text := func() []byte {
		switch rng.IntN(6) {
		case 0:
			return []byte(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Int64N(1<<48)))
		case 1: // nearly one
			return []byte(strings.Replace("00ffab12-0000-4000-8000-0000000000ff", []string{"b", "-", "8"}[rng.IntN(3)], []string{"B", "0", "-"}[rng.IntN(3)], 1))
		}
		return bytes.Repeat([]byte("x"), rng.IntN(200))
	}
	for range 1 + rng.IntN(5) {
		id.Commit += 1 + rng.Uint64N(1<<40)
		id.Sub = rng.Uint64N(1 << 50)
		r := cluster.Record{
			ID: id, Kind: cluster.RecordKind(1 + rng.IntN(5)), Event: contract.Message, Workspace: text(), Conversation: text(),
			Key: text(), Again: rng.IntN(2) > 0, Created: rng.Int64() - rng.Int64(), Commit: time.UnixMicro(rng.Int64N(1 << 50)).UTC(), Text: text(),
		}
		if rng.IntN(2) > 0 {
			r.Other = []byte("other")
		}
		if rng.IntN(2) > 0 {
			r.Of = []byte("of")
		}
		e.Records = append(e.Records, r)
	}
	e.ID = id
	return e
}

// TestEntriesComeBackAsTheyWere: what is appended is what is read; cut anywhere, or with
// a byte more, it is refused.
func TestEntriesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		want := sample(rng)
		code := want.Append(nil)
		got, err := cluster.DecodeEntry(code)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		if _, err := cluster.DecodeEntry(code[:rng.IntN(len(code))]); err == nil {
			t.Fatal("a part of an entry was taken for one")
		}
		if _, err := cluster.DecodeEntry(append(code, 0)); err == nil {
			t.Fatal("an entry with a byte more was taken for one")
		}
	}
}

// TestAnotherFormatIsRefusedByName: what another version wrote says so.
func TestAnotherFormatIsRefusedByName(t *testing.T) {
	t.Parallel()
	code := sample(rand.New(rand.NewPCG(1, 2))).Append(nil)
	code[0]++
	var version *cluster.VersionError
	if _, err := cluster.DecodeEntry(code); !errors.As(err, &version) || version.Version != cluster.FormatVersion+1 {
		t.Errorf("an entry of another format: %v", err)
	}
}

// TestIDsAreInTheOrderOfPositions, and there is room for others between two events.
func TestIDsAreInTheOrderOfPositions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	position := func() source.Position {
		return source.Position{Commit: rng.Uint64N(4) << 62, Index: rng.Uint32N(4) << 30}
	}
	for range 1000 {
		p, q := position(), position()
		a, b := cluster.EventID(p), cluster.EventID(q)
		if a.Compare(b) != p.Compare(q) {
			t.Fatalf("%v and %v are in another order than %v and %v", a, b, p, q)
		}
		if a.Position() != p {
			t.Fatalf("%v is at %v, want %v", a, a.Position(), p)
		}
		if back, err := cluster.ParseID(a.String()); err != nil || back != a {
			t.Fatalf("%v: %v, %v", a, back, err)
		}
	}
}

// FuzzDecodeEntry: whatever comes is refused, or is what would be written.
func FuzzDecodeEntry(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(sample(rng).Append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := cluster.DecodeEntry(data)
		if err != nil {
			return
		}
		if again := e.Append(nil); !bytes.Equal(again, data) {
			t.Fatalf("read %x, would write %x", data, again)
		}
	})
}
