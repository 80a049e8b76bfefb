package ops

import (
	_ "embed"
	"net/http"
)

//go:embed console.html
var console []byte

// serveConsole serves the operator's page: one HTML file that shows what
// /status says, needs nothing from elsewhere and changes nothing. It reads
// `status` relative to its own address.
func serveConsole(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(console)
}
