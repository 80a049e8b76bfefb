package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/far"
	"chatbridge/bridge/send"
	"chatbridge/internal/clientkey"
)

// The paths that are answered, and the one below which all others are ChatEngine's.
const (
	conversationsPath = "/api/chat/conversations"
	messagesPath      = "/api/chat/messages"
	apiPath           = "/api"
)

// Tables reads what requests ask for. *far.Reader is one.
type Tables interface {
	Messages(ctx context.Context, workspace, conversation string, since time.Time, limit int) (far.Page, error)
	Conversations(ctx context.Context, workspace string) (far.Page, error)
}

// Authenticator judges a token: *auth.Refusal means for good, any other error that the
// answer could not be had.
type Authenticator interface {
	Authenticate(ctx context.Context, c auth.Credentials) (auth.Principal, error)
}

// Sender sends texts. *send.Sender is one.
type Sender interface {
	Send(ctx context.Context, r send.Request) (send.Result, error)
}

// Options configures a Handler. All but Trusted and QueryToken are needed.
type Options struct {
	Tables Tables
	Auth   Authenticator
	Sender Sender
	// AdmitAddress and AdmitOrigin report whether the client of a request may ask, by
	// its address and by its page's Origin; AdmitRequest takes one of the requests that
	// its address may have answered in a second, and reports whether there was one.
	AdmitAddress, AdmitOrigin, AdmitRequest func(*http.Request) bool
	// Trusted are the proxies whose X-Forwarded-For tells a client's address.
	Trusted access.Addresses
	// ConversationID returns a conversation's id as the database writes it; nil for as it is.
	ConversationID func(workspace, id string) string
	// QueryToken also takes the token from the query parameter `token`.
	QueryToken bool
	// ChatEngineIDs: a message that was sent is answered under WhatsApp's id.
	ChatEngineIDs bool
	// WriteTimeout is how long a client may take nothing of its answer, and how long its
	// request's body may take to come.
	WriteTimeout time.Duration
	Logger       *slog.Logger
}

// Handler answers requests. Any goroutine may use it.
type Handler struct {
	opts     Options
	shares   *shares
	lists    singleflight.Group // of conversations, by workspace
	counters counters
	// failing: the last query failed; short: that a bound cut an answer was logged once.
	failing, short atomic.Bool
}

// New returns a Handler.
func New(o Options) *Handler {
	return &Handler{opts: o, shares: newShares()}
}

// route is what a request is counted as.
type route uint8

const (
	routeOther route = iota // has no answer
	routeConversations
	routeMessages
	routeSend
	routes
)

func (r route) String() string {
	return [routes]string{"other", "conversations", "messages", "send"}[r]
}

func routeOf(r *http.Request) route {
	path, method := access.RawPath(r), r.Method
	if method == http.MethodOptions {
		method = http.MethodGet
		if r.Header.Get("Access-Control-Request-Method") == http.MethodPost {
			method = http.MethodPost
		}
	}
	switch {
	case path == conversationsPath && (method == http.MethodGet || method == http.MethodHead):
		return routeConversations
	case path == messagesPath && (method == http.MethodGet || method == http.MethodHead):
		return routeMessages
	case path == messagesPath && method == http.MethodPost:
		return routeSend
	}
	return routeOther
}

// Answers reports whether a request has an answer here other than 503.
func (h *Handler) Answers(r *http.Request) bool { return routeOf(r) != routeOther }

// Below reports whether a request is of ChatEngine's REST interface, answered or not.
func Below(r *http.Request) bool { return access.Below(access.RawPath(r), apiPath) }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	x := &exchange{h: h, w: w, r: r, route: routeOf(r)}
	defer func() { h.counters.add(x, time.Since(began)) }()
	if r.ContentLength != 0 {
		// What is left of a body is not waited for, so the connection ends.
		x.unread = true
		w.Header().Set("Connection", "close")
		defer x.leaveBody()
	}
	switch {
	case !h.opts.AdmitAddress(r):
		x.fail(http.StatusForbidden, "this address is not admitted", "")
	case !h.opts.AdmitOrigin(r):
		x.fail(http.StatusForbidden, "this origin is not admitted", "")
	case !h.opts.AdmitRequest(r):
		x.fail(http.StatusTooManyRequests, "too many requests from this address", "")
	case r.Method == http.MethodOptions:
		x.options()
	case x.route == routeOther:
		x.fail(http.StatusServiceUnavailable, "the chat server is down, and there is no answer for this path meanwhile", "")
	default:
		x.serve()
	}
}

// exchange is one request and its answer.
type exchange struct {
	h         *Handler
	w         http.ResponseWriter
	r         *http.Request
	route     route
	status    int
	rows      int
	principal auth.Principal
	session   send.Session
	query     url.Values
	unread    bool // there may be more of the request's body
}

// leaveBody makes Go's server give up what is left of the request's body.
func (x *exchange) leaveBody() {
	if x.unread {
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now()) // one that cannot is a test's
	}
}

// serve answers a request of whoever may ask.
func (x *exchange) serve() {
	if !x.authenticate() {
		return
	}
	leave, ok := x.h.shares.enter(x.principal.Workspace, x.asker())
	if !ok {
		x.fail(http.StatusTooManyRequests, "too many requests of this user", "")
		return
	}
	defer leave()
	switch x.route {
	case routeConversations:
		x.read(func(ctx context.Context) (far.Page, error) { return x.h.conversations(ctx, x.principal.Workspace) })
	case routeMessages:
		x.messages()
	case routeSend:
		x.send()
	}
}

// conversations shares one query among all requests for the same list at the same time. It goes
// on if the request that began it is cancelled.
func (h *Handler) conversations(ctx context.Context, workspace string) (far.Page, error) {
	v, err, _ := h.lists.Do(workspace, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return h.opts.Tables.Conversations(ctx, workspace)
	})
	page, _ := v.(far.Page)
	return page, err
}

// readTimeout bounds the reading of one answer.
const readTimeout = 20 * time.Second

// read answers with a page.
func (x *exchange) read(ask func(context.Context) (far.Page, error)) {
	ctx, cancel := context.WithTimeout(x.r.Context(), readTimeout)
	defer cancel()
	page, err := ask(ctx)
	x.h.note(err, x.r.Context().Err() != nil)
	if err != nil {
		x.fail(http.StatusServiceUnavailable, "the database does not answer", "")
		return
	}
	x.rows = page.Rows
	if page.Short && !x.h.short.Swap(true) {
		x.h.opts.Logger.Warn("an answer of REST lacks rows that its bounds leave out; more of the kind are only counted", "route", x.route.String(), "workspace", x.principal.Workspace)
	}
	release, ok := x.h.shares.keep(x.principal.Workspace, page.Bytes)
	if !ok {
		x.fail(http.StatusServiceUnavailable, "too many answers are under way", "")
		return
	}
	defer release()
	x.array(page.Payloads)
}

// note logs when the database stops answering, and when it answers again; gone: the client has
// left.
func (h *Handler) note(err error, gone bool) {
	switch {
	case err == nil:
		if h.failing.Swap(false) {
			h.opts.Logger.Info("REST is answered from the database again")
		}
	case gone, errors.Is(err, context.Canceled), errors.Is(err, far.ErrBusy), errors.Is(err, far.ErrPaused):
	case !h.failing.Swap(true):
		h.opts.Logger.Warn("REST cannot be answered from the database; until it can, more is only counted", "error", err)
	}
}

// authenticate judges the token, and answers where it does not admit.
func (x *exchange) authenticate() bool {
	// As in ChatEngine a semicolon separates nothing.
	query, err := url.ParseQuery(strings.ReplaceAll(x.r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		x.fail(http.StatusBadRequest, "the query cannot be read", "")
		return false
	}
	x.query = query
	c := auth.Credentials{
		Token: auth.Bearer(x.r.Header), Workspace: x.r.Header.Get("X-Workspace-Id"),
		Address: access.ClientAddr(x.r, x.h.opts.Trusted),
	}
	if c.Token == "" && x.h.opts.QueryToken {
		c.Token = query.Get("token")
	}
	if c.Workspace == "" {
		c.Workspace = query.Get("workspaceId")
	}
	p, err := x.h.opts.Auth.Authenticate(x.r.Context(), c)
	var refusal *auth.Refusal
	switch {
	case err == nil:
		x.principal = p
		if p.Kind == auth.Supabase {
			x.session = send.Session{Token: c.Token, Expires: p.Expires}
		}
		return true
	case errors.As(err, &refusal):
		x.refuse(refusal)
	case errors.Is(err, auth.ErrTooManyQuestions):
		x.fail(http.StatusTooManyRequests, "too many workspaces were asked about", "")
	default:
		x.fail(http.StatusServiceUnavailable, "the token cannot be judged now", "")
	}
	return false
}

// asker is the key by which requests are limited: the user, or else the address.
func (x *exchange) asker() string {
	if x.principal.User != "" {
		return "user " + x.principal.User
	}
	return "address " + clientkey.Of(access.ClientAddr(x.r, x.h.opts.Trusted)).String()
}

// options answers OPTIONS: a page's preflight, or a program's question.
func (x *exchange) options() {
	x.status = http.StatusNoContent
	if access.CORS(x.w, x.r, x.h.opts.AdmitOrigin) {
		return
	}
	x.w.Header().Set("Allow", strings.Join([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}, ", "))
	x.w.WriteHeader(http.StatusNoContent)
}
