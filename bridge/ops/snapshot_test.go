package ops

import (
	"maps"
	"reflect"
	"strings"
	"time"

	"chatbridge/internal/histogram"
	"chatbridge/source/realtime"
)

// filler gives every field of a struct, however deep, a value of its own, so
// that a field which is not shown is missed.
type filler struct {
	next float64
	// values are the numbers given, by the field's path.
	values map[string]float64
}

var timeType = reflect.TypeFor[time.Time]()

func (f *filler) fill(path string, v reflect.Value) {
	f.next += 1000 // apart from the sums of cumulative buckets
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Unix(int64(f.next), 0)))
		f.values[path] = f.next
		return
	case v.Type() == reflect.TypeFor[histogram.Snapshot]():
		return // set by hand
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(f.next) * int64(time.Second))
		f.values[path] = f.next
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Type().Field(i).IsExported() {
				f.fill(path+"."+name, v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(path, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(path+"[]", v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			f.fill(path+"[]", v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		f.fill(path+"{}", e)
		v.SetMapIndex(reflect.ValueOf("some_reason"), e)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("some")
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(int64(f.next))
		f.values[path] = f.next
	case reflect.Uint, reflect.Uint64:
		v.SetUint(uint64(f.next))
		f.values[path] = f.next
	case reflect.Float64:
		v.SetFloat(f.next)
		f.values[path] = f.next
	}
}

// full is a Snapshot with every field set.
func full() (Snapshot, map[string]float64) {
	var s Snapshot
	f := &filler{values: make(map[string]float64)}
	f.fill("Snapshot", reflect.ValueOf(&s).Elem())
	maps.DeleteFunc(f.values, func(path string, _ float64) bool {
		return strings.HasPrefix(path, "Snapshot.Ready.Source.") // is Snapshot.Source
	})
	s.Build = Build{Version: "v1.2.3", Commit: "0123456789ab", Go: "go1.26"}
	s.Source.Kind, s.Source.State = "postgres", "streaming"
	s.Postgres.Slot.WALStatus = "extended"
	s.Gateway.Status.State, s.Gateway.Status.Mode = 1, "auto"
	s.Ready.Status = ReadyOK
	s.Realtime.Channels[0].Table, s.Realtime.Channels[0].State = "public.messages", realtime.ChannelLive
	s.Pipeline.Delay = histogram.Snapshot{
		Bounds: []time.Duration{time.Millisecond, time.Second},
		Counts: []uint64{1, 2, 3}, Count: 6, Sum: 90 * time.Second,
		Native: map[int]int64{-40: 2, 20: 3}, Zero: 1, ZeroUpTo: 0.001,
	}
	s.Sockets.Latency = histogram.Snapshot{
		Bounds: []time.Duration{
			100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
			2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
			50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second,
		},
		Counts: []uint64{1: 4, 12: 5}, Count: 9, Sum: 1500 * time.Millisecond,
		Native: map[int]int64{-96: 4, 0: 5}, ZeroUpTo: 1e-5,
	}
	return s, f.values
}
