package pgoutput_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// wideRow is an insert like those of a chat's messages: 25 columns, a third
// of them null, 501 bytes.
func wideRow() []byte {
	r := make(source.Row, 25)
	for i := range r {
		switch {
		case i%3 == 2:
			r[i] = source.Value{Kind: source.Null}
		case i%3 == 1:
			r[i] = source.Value{Kind: source.Text, Data: []byte("3f2c8a52-6a0e-4d35-9f2d-8f6f1c0c7a11")}
		default:
			r[i] = source.Value{Kind: source.Text, Data: []byte("delivered")}
		}
	}
	return encode(&pgoutput.Insert{RelationID: 16384, New: r})
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	var d pgoutput.Decoder
	insert := wideRow()
	begin, commit := encode(&pgoutput.Begin{FinalLSN: 1}), encode(&pgoutput.Commit{EndLSN: 2})
	n := testing.AllocsPerRun(100, func() {
		for _, m := range [][]byte{begin, insert, insert, commit} {
			if _, err := d.Decode(m); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per transaction", n)
	}
}

func TestValuesAliasTheMessageAndCannotGrowIntoIt(t *testing.T) {
	var d pgoutput.Decoder
	msg := wideRow()
	m, err := d.Decode(msg)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(msg)
	row := m.(*pgoutput.Insert).New
	row[0].Data = append(row[0].Data, "overflow"...)
	if !bytes.Equal(msg, before) {
		t.Error("appending to a value changed the message")
	}
	if &row[1].Data[0] != &msg[bytes.IndexByte(msg, '3')] {
		t.Error("a value is a copy")
	}
}

func TestUnknownMessagesFailLoudly(t *testing.T) {
	var d pgoutput.Decoder
	for _, c := range "SEcAbPKrp" {
		if _, err := d.Decode([]byte{byte(c), 0, 0, 0, 1, 1}); err == nil || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("%q: %v", c, err)
		}
	}
	for _, m := range []string{"", "x", "\x00", "Z\x01"} {
		if _, err := d.Decode([]byte(m)); err == nil {
			t.Errorf("%q is no error", m)
		}
	}
	// Binary values were not asked for.
	if _, err := d.Decode([]byte("I\x00\x00\x00\x01N\x00\x01b\x00\x00\x00\x01x")); err == nil {
		t.Error("a binary value is no error")
	}
	// Counts far beyond what is there must not allocate for them.
	for _, m := range []string{"T\x7f\xff\xff\xff\x00", "T\xff\xff\xff\xff\x00", "R\x00\x00\x00\x01\x00t\x00d\xff\xff", "I\x00\x00\x00\x01N\xff\xff", "I\x00\x00\x00\x01N\x00\x01t\xff\xff\xff\xff"} {
		if _, err := d.Decode([]byte(m)); err == nil {
			t.Errorf("%q is no error", m)
		}
	}
}

func TestStatusUpdate(t *testing.T) {
	u := pgoutput.StatusUpdate{
		Write: 0x2E02ABE8, Flush: 0x2E02ABE0, Apply: 1,
		Now: pgoutput.TimeOf(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)), ReplyRequested: true,
	}
	got := hex.EncodeToString(u.Append([]byte{0xff}))
	want := "ff" + "72" + "000000002e02abe8" + "000000002e02abe0" + "0000000000000001" + "00000000000f4240" + "01"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 2, 5, 18, 58, 2, 123456000, time.UTC)
	if got := pgoutput.TimeOf(at).Std(); !got.Equal(at) {
		t.Errorf("%v became %v", at, got)
	}
	if got := pgoutput.Time(0).Std().Format(time.RFC3339); got != "2000-01-01T00:00:00Z" {
		t.Error(got)
	}
}

func TestLSN(t *testing.T) {
	l, err := pgoutput.ParseLSN("2e/2abe8")
	if err != nil || uint64(l) != 0x2E0002ABE8 || l.String() != "2E/2ABE8" {
		t.Errorf("%d %s %v", l, l, err)
	}
}

func BenchmarkDecode(b *testing.B) {
	insert := wideRow()
	update := encode(&pgoutput.Update{RelationID: 1, OldKind: pgoutput.OldFull, Old: decodeRow(b, insert), New: decodeRow(b, insert)})
	for name, msg := range map[string][]byte{"insert25": insert, "update25full": update} {
		b.Run(name, func(b *testing.B) {
			var d pgoutput.Decoder
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func decodeRow(tb testing.TB, msg []byte) source.Row {
	tb.Helper()
	var d pgoutput.Decoder
	m, err := d.Decode(msg)
	if err != nil {
		tb.Fatal(err)
	}
	return m.(*pgoutput.Insert).New
}

func ExampleDecoder() {
	var d pgoutput.Decoder
	m, err := d.Decode([]byte("I\x00\x00\x40\x00N\x00\x02t\x00\x00\x00\x02hin"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if m, ok := m.(*pgoutput.Insert); ok {
		fmt.Printf("table %d: %s, null %t\n", m.RelationID, m.New[0].Data, m.New[1].Kind == source.Null)
	}
	// Output: table 16384: hi, null true
}
