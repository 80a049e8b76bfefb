package throwaway

import (
	"context"
	"errors"
)

// Template is not there on Windows.
type Template struct{}

// Cluster is not there on Windows.
type Cluster struct{}

// Start fails: private clusters need a unix system.
func Start(context.Context, Options) (*Cluster, error) {
	return nil, errors.New("a private Postgres needs Linux or macOS; on Windows use WSL")
}

// Stop does nothing.
func (c *Cluster) Stop(context.Context) error { return nil }

// URL returns nothing.
func (c *Cluster) URL(string) string { return "" }

// Port returns 0.
func (c *Cluster) Port() int { return 0 }

// Dir returns nothing.
func (c *Cluster) Dir() string { return "" }

// Done returns nil.
func (c *Cluster) Done() <-chan struct{} { return nil }
