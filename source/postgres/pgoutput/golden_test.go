package pgoutput_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"

	"github.com/google/go-cmp/cmp"
)

// update writes the decoded texts anew from the recorded bytes.
var update = flag.Bool("update", false, "write the golden texts and the fuzz corpus from the recorded streams")

// recorded are the versions of which a stream is checked in: one line of hex
// for each CopyData, recorded by TestRecord.
var recorded = []string{"14", "15", "17", "18"}

func frames(t testing.TB, version string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "pg"+version+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range strings.Lines(string(b)) {
		f, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// messages returns the messages of a recorded stream.
func messages(t testing.TB, version string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, f := range frames(t, version) {
		if f[0] != pgoutput.XLogDataByte {
			continue
		}
		var x pgoutput.XLogData
		if err := x.Decode(f); err != nil {
			t.Fatal(err)
		}
		out = append(out, x.Data)
	}
	return out
}

// dump prints all that a stream says.
func dump(t testing.TB, frames [][]byte) string {
	t.Helper()
	var b bytes.Buffer
	var d pgoutput.Decoder
	for _, f := range frames {
		if f[0] == pgoutput.KeepaliveByte {
			var k pgoutput.Keepalive
			if err := k.Decode(f); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "keepalive end=%s reply=%t\n", k.WALEnd, k.ReplyRequested)
			continue
		}
		var x pgoutput.XLogData
		if err := x.Decode(f); err != nil {
			t.Fatal(err)
		}
		m, err := d.Decode(x.Data)
		if err != nil {
			t.Fatalf("%x: %v", x.Data, err)
		}
		if got := encode(m); !bytes.Equal(got, x.Data) {
			t.Errorf("%T does not encode to what it was decoded from:\n%x\n%x", m, x.Data, got)
		}
		fmt.Fprintf(&b, "at=%s %s\n", x.Start, text(m))
	}
	return b.String()
}

func text(m pgoutput.Message) string {
	switch m := m.(type) {
	case *pgoutput.Begin:
		return fmt.Sprintf("begin final=%s time=%s xid=%d", m.FinalLSN, m.CommitTime.Std().Format("2006-01-02T15:04:05.000000Z07:00"), m.XID)
	case *pgoutput.Commit:
		return fmt.Sprintf("commit lsn=%s end=%s", m.CommitLSN, m.EndLSN)
	case *pgoutput.Origin:
		return fmt.Sprintf("origin lsn=%s name=%s", m.CommitLSN, m.Name)
	case *pgoutput.LogicalMessage:
		return fmt.Sprintf("message transactional=%t lsn=%s prefix=%s content=%s", m.Transactional, m.LSN, m.Prefix, m.Content)
	case *pgoutput.Relation:
		s := fmt.Sprintf("relation id=%d %s.%s identity=%c", m.ID, m.Schema, m.Name, m.Identity)
		for _, c := range m.Columns {
			s += fmt.Sprintf(" %s:%d:%d", c.Name, c.TypeOID, c.TypeMod)
			if c.Key {
				s += ":key"
			}
		}
		return s
	case *pgoutput.Type:
		return fmt.Sprintf("type id=%d %s.%s", m.OID, m.Schema, m.Name)
	case *pgoutput.Insert:
		return fmt.Sprintf("insert id=%d %s", m.RelationID, row(m.New))
	case *pgoutput.Update:
		s := fmt.Sprintf("update id=%d %s", m.RelationID, row(m.New))
		if m.OldKind != pgoutput.OldNone {
			s += fmt.Sprintf(" old=%c %s", m.OldKind, row(m.Old))
		}
		return s
	case *pgoutput.Delete:
		return fmt.Sprintf("delete id=%d old=%c %s", m.RelationID, m.OldKind, row(m.Old))
	case *pgoutput.Truncate:
		return fmt.Sprintf("truncate ids=%d cascade=%t restart=%t", m.RelationIDs, m.Cascade, m.RestartIdentity)
	}
	return "?"
}

func row(r source.Row) string {
	parts := make([]string, len(r))
	for i, v := range r {
		switch v.Kind {
		case source.Null:
			parts[i] = "∅"
		case source.Unchanged:
			parts[i] = "~"
		case source.Text:
			s := string(v.Data)
			if len(s) > 60 {
				s = fmt.Sprintf("%s…(%d)", s[:20], len(s))
			}
			parts[i] = fmt.Sprintf("%q", s)
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func TestRecordedStreams(t *testing.T) {
	for _, v := range recorded {
		t.Run(v, func(t *testing.T) {
			got := dump(t, frames(t, v))
			golden := filepath.Join("testdata", "pg"+v+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if *update {
		writeCorpus(t)
	}
}

// variable is what differs between two recordings of the same statements.
var variable = regexp.MustCompile(`(at|final|lsn|end|time|xid|id)=\S+|ids=\[[^]]*\]|:[0-9]{5,}:`)

// TestVersionsSendTheSame: in protocol version 1 all versions send the same
// messages, apart from places, ids and times.
func TestVersionsSendTheSame(t *testing.T) {
	normal := func(v string) []string {
		var out []string
		s := bufio.NewScanner(strings.NewReader(dump(t, frames(t, v))))
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			line := variable.ReplaceAllString(s.Text(), "$1*")
			// A description comes again after any invalidation, which is a
			// matter of luck; keepalives are a matter of time. 14 sends
			// transactions that are empty.
			if strings.HasPrefix(line, "keepalive") {
				continue
			}
			out = append(out, line)
			if n := len(out); n > 1 && strings.Contains(line, " commit ") && strings.Contains(out[n-2], " begin ") {
				out = out[:n-2]
			}
		}
		return out
	}
	want := normal("15")
	if len(want) < 40 {
		t.Fatalf("only %d messages", len(want))
	}
	for _, v := range recorded {
		if diff := cmp.Diff(want, normal(v)); diff != "" {
			t.Errorf("15 and %s differ:\n%s", v, diff)
		}
	}
}

// TestEveryCutIsAnError cuts each recorded message at each place.
func TestEveryCutIsAnError(t *testing.T) {
	var d pgoutput.Decoder
	kinds := map[byte]bool{}
	for _, m := range messages(t, "15") {
		kinds[m[0]] = true
		for n := range min(len(m), 300) {
			if _, err := d.Decode(m[:n]); err == nil {
				t.Fatalf("%q cut to %d of %d bytes is no error", m[0], n, len(m))
			}
		}
		if _, err := d.Decode(append(slices.Clone(m), 0)); err == nil {
			t.Fatalf("%q with a byte too many is no error", m[0])
		}
	}
	for _, k := range "BCOMRYIUDT" {
		if !kinds[byte(k)] {
			t.Errorf("no %q was recorded", k)
		}
	}
}
