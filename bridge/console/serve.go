package console

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"chatbridge/internal/jsonscan"
)

//go:embed page
var embedded embed.FS

// files are the page's, by their names in the page.
var files = func() fs.FS {
	sub, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // the name is valid
	}
	return sub
}()

// OrderHeader is what a request that changes something has to show, with the value that
// the page has read. No page of another origin may set it.
const OrderHeader = "X-Console-Order"

// policy admits the page's own files and nothing that is made of text, but the documents'
// HTML by the script's policy `docs`.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types docs"

// secure sets the headers of all answers.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// SignIn answers those who have not shown the token: the page, with status 401, which asks
// for it; and its files, which say nothing of this bridge. All else is 401.
func SignIn() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		// No challenge that browsers have a dialog for: the page asks.
		w.Header().Set("WWW-Authenticate", `Bearer realm="chatbridge"`)
		serveFile(w, "index.html", http.StatusUnauthorized)
	})
	for name := range kinds {
		mux.HandleFunc("GET /console/"+name, func(w http.ResponseWriter, _ *http.Request) { serveFile(w, name, http.StatusOK) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="chatbridge"`)
		http.Error(w, "admin.token is asked for: Authorization: Bearer …", http.StatusUnauthorized)
	})
	return secure(mux)
}

func (c *Console) handler(may May) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { serveFile(w, "index.html", http.StatusOK) })
	mux.HandleFunc("GET /console/{file}", serveNamed)
	mux.HandleFunc("GET /console/state", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.state(may)) })
	mux.HandleFunc("GET /console/history", c.serveHistory)
	mux.HandleFunc("GET /console/people", func(w http.ResponseWriter, r *http.Request) {
		if may.HidesPeople != "" {
			http.Error(w, may.HidesPeople, http.StatusForbidden)
			return
		}
		q := r.URL.Query()
		answer(w, c.people.list(q.Get("by"), q.Get("find"), time.Now()))
	})
	mux.HandleFunc("GET /console/check", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.checked()) })
	orders := http.NewServeMux()
	orders.HandleFunc("POST /console/check", c.startCheck)
	orders.HandleFunc("POST /console/close", c.serveClose)
	mux.Handle("POST /console/", c.admitOrders(may, orders))
	mux.HandleFunc("GET /docs/{$}", c.book.serveIndex)
	mux.HandleFunc("GET /docs/{name}", c.book.serve)
	return secure(mux)
}

// admitOrders lets through what comes from the page itself: of the same origin, with the
// header that only who may read the page's answers knows.
func (c *Console) admitOrders(may May, next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case may.Refuses != "":
			http.Error(w, may.Refuses, http.StatusForbidden)
		case r.Header.Get(OrderHeader) != c.order:
			http.Error(w, "the page is older than this bridge: reload it", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

func (c *Console) serveHistory(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64) // 0: all
	c.mu.Lock()
	h := c.history.after(after)
	c.mu.Unlock()
	answer(w, struct {
		Boot string `json:"boot"`
		columns
	}{c.boot, h})
}

func (c *Console) startCheck(w http.ResponseWriter, _ *http.Request) {
	if !c.checks.ask(time.Now()) {
		w.Header().Set("Retry-After", strconv.Itoa(int(checkPause.Seconds())))
		http.Error(w, "a check runs, or began less than "+checkPause.String()+" ago", http.StatusTooManyRequests)
		return
	}
	answer(w, c.checked())
}

// checked is the latest check with links to the runbook.
func (c *Console) checked() Checked {
	out := c.checks.latest()
	for i := range out.Findings {
		out.Findings[i].Runbook = c.book.finding(out.Findings[i].ID)
	}
	return out
}

func (c *Console) serveClose(w http.ResponseWriter, r *http.Request) {
	var order struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&order); err != nil {
		http.Error(w, "send {\"id\": \"…\"}", http.StatusBadRequest)
		return
	}
	if !c.closeClient(order.ID) {
		http.Error(w, "that client is not connected any more", http.StatusNotFound)
		return
	}
	answer(w, map[string]bool{"closed": true})
}

// serveNamed serves a file of the page.
func serveNamed(w http.ResponseWriter, r *http.Request) {
	serveFile(w, r.PathValue("file"), http.StatusOK)
}

// kinds are the types of the page's files. What is not here is not served.
var kinds = map[string]string{
	"index.html": "text/html; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "charts.js": "text/javascript; charset=utf-8",
	"dom.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8",
}

func serveFile(w http.ResponseWriter, name string, status int) {
	kind, known := kinds[name]
	content, err := fs.ReadFile(files, name)
	if !known || err != nil {
		http.Error(w, "there is nothing at this path", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(content) // the client has left
}

func answer(w http.ResponseWriter, body any) {
	text, err := jsonscan.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the client has left
}
