package demo

import (
	"crypto/subtle"
	"embed"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// ClientVersion is the version of socket.io-client whose browser bundle the page uses, as
// npm publishes it: page/socket.io.min.js.
const ClientVersion = "4.8.4"

//go:embed page
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page/index.html"))

// pageFiles are the files that anybody on this machine may have, by path.
var pageFiles = map[string]struct{ name, kind string }{
	"/demo/app.js":                {"page/app.js", "text/javascript; charset=utf-8"},
	"/demo/style.css":             {"page/style.css", "text/css; charset=utf-8"},
	"/demo/socket.io.min.js":      {"page/socket.io.min.js", "text/javascript; charset=utf-8"},
	"/demo/socket.io.LICENSE.txt": {"page/socket.io.LICENSE.txt", "text/plain; charset=utf-8"},
}

// tenant is a workspace as the page sees it. Its token is one of the demo's own, and as
// short-lived as its database.
type tenant struct {
	Number                 int
	Workspace, Name, Token string
}

// tenantName is the workspace's name on the page.
func tenantName(workspace string) string {
	for i, w := range Workspaces {
		if w == workspace {
			return [...]string{"Loja Azul", "Clínica Sol"}[i]
		}
	}
	return workspace
}

// page serves the demo's page, what it reads, and the buttons, in front of next, which has
// every other path. It answers to this machine alone.
//
// Another site's page cannot press the buttons: they are POSTs with the header X-Demo-Token,
// which no other origin may set, and whose value stands in this page alone. A name that
// somebody made point to this machine is refused: only loopback names are served.
type page struct {
	stage   *stage
	control string // the token of the buttons and of what the page reads
	tenants []tenant
	next    http.Handler
}

const controlHeader = "X-Demo-Token"

// ServeHTTP serves "/" and "/demo/…", and leaves all else to next.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" && !strings.HasPrefix(r.URL.Path, "/demo/") {
		p.next.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if !fromHere(r) {
		http.Error(w, "The demo's page is for the machine that it runs on: open it there, at 127.0.0.1 or localhost.", http.StatusForbidden)
		return
	}
	file, isFile := pageFiles[r.URL.Path]
	action, isAction := strings.CutPrefix(r.URL.Path, "/demo/do/")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case isAction:
		p.act(w, r, action)
	case !reads:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "GET it.", http.StatusMethodNotAllowed)
	case r.URL.Path == "/":
		p.serveIndex(w, r)
	case isFile:
		content, err := files.ReadFile(file.name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", file.kind)
		_, _ = w.Write(content)
	case r.URL.Path == "/demo/state" || r.URL.Path == "/demo/history":
		p.serveData(w, r)
	default:
		http.Error(w, "The demo has no such page; its page is at /.", http.StatusNotFound)
	}
}

// fromHere reports whether a request comes from this machine and was made for one of its
// loopback names.
func fromHere(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// permitted checks the token of the buttons.
func (p *page) permitted(w http.ResponseWriter, r *http.Request) bool {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(controlHeader)), []byte(p.control)) == 1 {
		return true
	}
	http.Error(w, "The header "+controlHeader+" is not this demo's: reload the page.", http.StatusForbidden)
	return false
}

// workspace returns that of the query, which must be one of the demo's.
func (p *page) workspace(w http.ResponseWriter, r *http.Request) (string, bool) {
	workspace := r.URL.Query().Get("workspace")
	for _, t := range p.tenants {
		if t.Workspace == workspace {
			return workspace, true
		}
	}
	http.Error(w, "The query's workspace is none of the demo's.", http.StatusBadRequest)
	return "", false
}

// act does what a button asks for: 202 once it is to be done.
func (p *page) act(w http.ResponseWriter, r *http.Request, name string) {
	do, known := actions[name]
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "POST it.", http.StatusMethodNotAllowed)
		return
	}
	if !p.permitted(w, r) {
		return
	}
	if !known {
		http.Error(w, "The demo has no such button.", http.StatusNotFound)
		return
	}
	workspace, ok := p.workspace(w, r)
	if !ok {
		return
	}
	if !p.stage.ask(do(p.stage, workspace)) {
		http.Error(w, "Other buttons' work is not done yet: try again in a moment.", http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (p *page) serveData(w http.ResponseWriter, r *http.Request) {
	if !p.permitted(w, r) {
		return
	}
	workspace, ok := p.workspace(w, r)
	if !ok {
		return
	}
	var answer any
	if r.URL.Path == "/demo/state" {
		answer = p.stage.state(r.Context(), workspace)
	} else {
		h, err := p.stage.history(r.Context(), workspace)
		if err != nil {
			http.Error(w, "Postgres does not answer; the page asks again.", http.StatusServiceUnavailable)
			return
		}
		answer = h
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (p *page) serveIndex(w http.ResponseWriter, r *http.Request) {
	this, other := p.tenants[0], p.tenants[1]
	if r.URL.Query().Get("tenant") == "2" {
		this, other = other, this
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pageTemplate.Execute(w, map[string]any{
		"This": this, "Other": other, "Control": p.control, "ClientVersion": ClientVersion, "Burst": burstSize,
	})
}

// tokenTime is how long the demo's tokens are valid.
const tokenTime = 24 * time.Hour
