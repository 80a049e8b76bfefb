//go:build !linux

package postgres

import (
	"errors"
	"syscall"
)

// setLowWater is supported on Linux only: elsewhere reads are not rate-limited.
func setLowWater(syscall.RawConn, int) error { return errors.ErrUnsupported }
