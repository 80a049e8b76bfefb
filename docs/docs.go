// Package docs embeds the documents, so that the operator's page can show what it links to
// where there is no network.
package docs

import "embed"

// Files has the documents by name, such as runbook.md.
//
//go:embed *.md
var Files embed.FS
