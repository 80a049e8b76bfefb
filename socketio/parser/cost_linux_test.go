package parser_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatbridge/socketio/parser"
)

// payloadSize is that of the packets whose cost is measured.
const payloadSize = 1 << 20

// payloads are packets of payloadSize bytes that were costly, and one that never was.
func payloads() map[string]string {
	fill := func(begin, part, end string) string {
		return begin + strings.Repeat(part, (payloadSize-len(begin)-len(end))/len(part)) + end
	}
	const placeholder = `{"_placeholder":true,"num":0}]`
	return map[string]string{
		"text":         fill(`51-["x","`, "x", `",`+placeholder),
		"objects":      fill(`51-["x",`, "{},", placeholder),
		"placeholders": fill(`51-["x",`, `{"_placeholder":true,"num":0},`, placeholder),
		"escaped":      fill(`51-["x",`, `{"\u005fplaceholder":true,"n\u0075m":0},`, placeholder),
		"numbers":      fill(`51-["x",`, "1,", placeholder),
		"one object":   fill(`51-["x",{`, `"num":0,`, `"_placeholder":true,"num":0}]`),
		"strings":      fill(`51-["x",`, `"\"",`, placeholder),
	}
}

// decode decodes a packet and its attachment.
func decode(tb testing.TB, text []byte) {
	d := parser.Decoder{MaxAttachments: 1}
	if _, _, err := d.Text(text); err != nil {
		tb.Fatal(err)
	}
	if _, _, ok, err := d.Binary(nil); !ok || err != nil {
		tb.Fatal(ok, err)
	}
}

// TestCostOfPackets: whatever a packet has in it, a byte of it costs a few times what
// one of text does, and no memory. (Measured: 2.5 times at most.)
func TestCostOfPackets(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// fastest is the least processor time of several.
	fastest := func(text []byte) time.Duration {
		best := time.Hour
		for range 5 {
			began := threadTime(t)
			decode(t, text)
			best = min(best, threadTime(t)-began)
		}
		return best
	}
	all := payloads()
	base := fastest([]byte(all["text"]))
	allocs := testing.AllocsPerRun(3, func() { decode(t, []byte(all["text"])) })
	for name, text := range all {
		if took := fastest([]byte(text)); took > 10*base {
			t.Errorf("%s: %v, more than 10 times the %v of text", name, took, base)
		} else {
			t.Logf("%s: %v, text %v", name, took, base)
		}
		if n := testing.AllocsPerRun(3, func() { decode(t, []byte(text)) }); n > allocs+8 {
			t.Errorf("%s: %v allocations, text %v", name, n, allocs)
		}
	}
}

// threadTime is the processor time of the thread, which others do not disturb.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}

func BenchmarkDecode(b *testing.B) {
	for name, text := range payloads() {
		b.Run(name, func(b *testing.B) {
			data := []byte(text)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				decode(b, data)
			}
		})
	}
}

func TestPlaceholders(t *testing.T) {
	for data, valid := range map[string]bool{
		`["x"]`: true,
		`["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`:        true,
		`["x",{"_placeholder":true,"num":2}]`:                                      false,
		`["x",{"_placeholder":true,"num":-1}]`:                                     false,
		`["x",{"_placeholder":true,"num":0.5}]`:                                    false,
		`["x",{"_placeholder":true,"num":"0"}]`:                                    false,
		`["x",{"_placeholder":true}]`:                                              false,
		`["x",{"num":0,"_placeholder":true}]`:                                      true,
		`["x",{"_placeholder":true,"num":0,"num":7}]`:                              false,
		`["x",{"_placeholder":true,"num":7,"num":0}]`:                              true,
		`["x",{"_placeholder":true,"num":0,"num":[]}]`:                             false,
		`["x",{"_placeholder":true,"_placeholder":{},"num":7}]`:                    true,
		`["x",{"_placeholder":false,"num":7}]`:                                     true,
		`["x",{"_placeholder":1,"num":7}]`:                                         true,
		`["x",["_placeholder",true,"num",7]]`:                                      true,
		`["x",{"_placeholder":true,"num":[{"num":0}]}]`:                            false,
		`["x",{"a":[{"b":{"_placeholder" : true , "num" : 9 }}]}]`:                 false,
		`["x",{"\u005f\u0070laceholder":true,"n\u0075m":9}]`:                       false,
		`["x",{"a":"\"_placeholder\":true"}]`:                                      true,
		`["x",{"a":{"num":0},"_placeholder":true}]`:                                false,
		`["x",{"a":[1,{"c":2}],"_placeholder":true,"num":1,"b":{"num":9}}]`:        true,
		`["x",` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `]`:        false, // too deep
		`["x",{"_placeholder":true,"num":99999999999999999999999999999999999999}]`: false,
	} {
		d := parser.Decoder{MaxAttachments: 2}
		if _, _, err := d.Text([]byte("52-" + data)); (err == nil) != valid {
			t.Errorf("%.100s: %v", data, err)
		}
	}
}
