package console

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// bytesText is a number of bytes as people read it.
func bytesText(n float64) string {
	if n < 0 || math.IsNaN(n) {
		return none
	}
	const unit = 1024
	names := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= unit && i < len(names)-1 {
		n /= unit
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", n, names[0])
	}
	return fmt.Sprintf("%.3g %s", n, names[i])
}

// rateText is a number a second.
func rateText(perSecond float64) string {
	switch {
	case math.IsNaN(perSecond):
		return none
	case perSecond == 0:
		return "0/s"
	case perSecond < 10:
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return countText(uint64(perSecond+.5)) + "/s"
}

// none stands for what is not known.
const none = "–"

// countText is a count with its thousands apart.
func countText[N int | int64 | uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "\u2009" + digits[i:]
	}
	return digits
}

// timeText is how long something takes or took.
func timeText(seconds float64) string {
	switch {
	case math.IsNaN(seconds) || seconds < 0:
		return none
	case seconds == 0:
		return "0 s"
	case seconds < 1:
		return fmt.Sprintf("%.3g ms", seconds*1000)
	case seconds < 120:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
	return fmt.Sprintf("%.0f d", seconds/86400)
}

// clock is a time of day for a sentence, with the date where it is not today's.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}
