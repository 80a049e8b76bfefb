//go:build !linux

package postgres

import (
	"errors"
	"syscall"
)

// setLowWater is for Linux, where it was measured.
func setLowWater(syscall.RawConn, int) error { return errors.ErrUnsupported }
