// Package chatbridge embeds files that are beside the programs' source, for the operator's
// page, which shows what documents link to where there is no network.
package chatbridge

import "embed"

// Texts has files by their paths, such as README.md and configs/alerts.yaml. The documents
// themselves are docs.Files.
//
//go:embed README.md CHANGELOG.md ARCHITECTURE.md docs/events.schema.json docs/hot-path/*.md
//go:embed configs/*.yaml configs/caddy configs/grafana configs/haproxy configs/kubernetes configs/nginx
var Texts embed.FS
