package pgoutput

import "time"

// epoch is 2000-01-01 00:00:00 UTC, where Postgres counts from, in
// microseconds since 1970.
const epoch = 946684800000000

// Time is a time as the server sends it: microseconds since 2000-01-01 UTC.
// It stays raw because most of them are never read.
type Time int64

// Std returns the time in UTC.
func (t Time) Std() time.Time { return time.UnixMicro(int64(t) + epoch).UTC() }

// TimeOf returns t as the server would send it.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro() - epoch) }
