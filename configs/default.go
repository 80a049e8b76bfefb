package configs

import _ "embed"

// Default is bridge.yaml: every key, its meaning and its default.
//
//go:embed bridge.yaml
var Default string
