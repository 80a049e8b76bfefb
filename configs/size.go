package configs

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1},
} // the largest first

// ParseSize reads a number of bytes: digits, with a fraction where a unit
// follows, and a unit of kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB
// (powers of 1024) in any case. A number alone is bytes. Postgres's kB is
// 1024; here a unit means what its name says.
func ParseSize(s string) (Size, error) {
	number, factor := strings.TrimSpace(s), int64(1)
	for _, u := range units {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, factor = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n < 0 || n > math.MaxInt64/factor {
			return 0, errors.New("out of range")
		}
		return Size(n * factor), nil
	}
	if factor == 1 || strings.Trim(number, "0123456789.") != "" {
		return 0, errors.New("not a size")
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, errors.New("not a size")
	}
	if f *= float64(factor); f >= math.MaxInt64 {
		return 0, errors.New("out of range")
	}
	return Size(f), nil
}

// String prints the size in the largest unit that divides it, such as 1GiB,
// 1MB or 1500B; ParseSize reads it back.
func (s Size) String() string {
	for _, u := range units {
		if n := int64(s); n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0B"
}
