package rest

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// maxTime bounds the text of a time, in bytes.
const maxTime = 64

// isoTime is a date, or a date with a time, as JavaScript's Date reads them: the parts,
// the fraction of a second, the zone. A + that came unescaped in a query is a space.
var isoTime = regexp.MustCompile(`^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?(Z|z|[+\- ]\d\d(?::?\d\d)?)?)?$`)

// parseSince reads a time as ChatEngine does, `new Date(since)`, without what depends on
// the server's place: what has no zone is in UTC. ok is false for what is no time.
func parseSince(text string) (t time.Time, ok bool) {
	if len(text) > maxTime {
		return t, false
	}
	m := isoTime.FindStringSubmatch(text)
	if m == nil {
		t, err := http.ParseTime(text)
		if err != nil {
			t, err = time.Parse(time.RFC1123Z, text)
		}
		return t.UTC(), err == nil
	}
	part := func(i int, otherwise string) string {
		if m[i] == "" {
			return otherwise
		}
		return m[i]
	}
	zone := strings.ReplaceAll(strings.ToUpper(part(8, "Z")), " ", "+")
	if zone != "Z" {
		if zone = strings.ReplaceAll(zone, ":", ""); len(zone) == 3 {
			zone += "00"
		}
	}
	t, err := time.Parse("2006-01-02T15:04:05.999999999Z0700",
		m[1]+"-"+part(2, "01")+"-"+part(3, "01")+"T"+part(4, "00")+":"+part(5, "00")+":"+part(6, "00")+"."+part(7, "0")+zone)
	if t = t.UTC(); err != nil {
		return t, false
	}
	// Postgres has no year 0, and nothing is older.
	if first := time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC); t.Before(first) {
		t = first
	}
	return t, true
}
