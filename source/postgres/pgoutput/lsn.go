package pgoutput

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a place in the server's write-ahead log, in bytes from its start.
// Zero is no place.
type LSN uint64

// String returns the form that SQL uses: 2E/2ABE8.
func (l LSN) String() string {
	return strings.ToUpper(strconv.FormatUint(uint64(l>>32), 16) + "/" + strconv.FormatUint(uint64(l&0xFFFFFFFF), 16))
}

// ParseLSN reads the form that SQL uses.
func ParseLSN(s string) (LSN, error) {
	high, low, ok := strings.Cut(s, "/")
	if !ok {
		return 0, fmt.Errorf("LSN %.40q: no slash", s)
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("LSN %.40q: %w", s, err)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("LSN %.40q: %w", s, err)
	}
	return LSN(h<<32 | l), nil
}

// MarshalText returns what String does.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLSN.
func (l *LSN) UnmarshalText(text []byte) error {
	parsed, err := ParseLSN(string(text))
	if err == nil {
		*l = parsed
	}
	return err
}
