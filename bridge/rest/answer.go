package rest

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/send"
)

// ChatEngine's words for errors: CRMs show them.
const (
	wordsToken        = "Token de autenticação inválido"
	wordsNoToken      = "Token de autenticação ausente ou inválido"
	wordsWorkspace    = "workspace_id ausente no token"
	wordsConversation = "conversationId é obrigatório"
	wordsUnknown      = "Conversa não encontrada"
	wordsSend         = "conversationId, type e content são obrigatórios"
)

// fail answers with an error. words are ChatEngine's, "" where it has none.
func (x *exchange) fail(status int, message, words string) {
	if words == "" {
		words = message
	}
	x.answer(status, access.Body{Message: message, Error: words, Reason: failReason[status]})
}

// failReason are the codes of what fail answers.
var failReason = map[int]string{
	http.StatusBadRequest: send.CodeBadRequest, http.StatusRequestEntityTooLarge: send.CodeBadRequest, http.StatusForbidden: "not_admitted",
	http.StatusTooManyRequests: "too_many_requests", http.StatusInternalServerError: "internal", http.StatusServiceUnavailable: send.CodeUnavailable,
}

func (x *exchange) answer(status int, body access.Body) {
	x.status = status
	access.Answer(x.w, x.r, x.h.opts.AdmitOrigin, status, body)
}

// refuse answers a token that does not admit, with the statuses by which CRMs tell
// whether to ask for another: 401 for the token, 403 for the workspace.
func (x *exchange) refuse(refusal *auth.Refusal) {
	status, words := http.StatusUnauthorized, wordsToken
	switch refusal.Code {
	case auth.CodeTokenMissing:
		words = wordsNoToken
	case auth.CodeWorkspaceMissing, auth.CodeWorkspaceInvalid:
		status, words = http.StatusForbidden, wordsWorkspace
	case auth.CodeNotMember, auth.CodeTokenRole:
		status, words = http.StatusForbidden, refusal.Message
	}
	x.answer(status, access.Body{Message: refusal.Message, Error: words, Reason: refusal.Code})
}

// array answers with JSON texts as an array.
func (x *exchange) array(texts [][]byte) {
	size := 2
	for i, t := range texts {
		size += len(t)
		if i > 0 {
			size++
		}
	}
	x.head(http.StatusOK, size)
	if x.r.Method == http.MethodHead {
		return
	}
	out := x.body()
	out.add([]byte("["))
	for i, t := range texts {
		if i > 0 {
			out.add([]byte(","))
		}
		out.add(t)
	}
	out.add([]byte("]"))
	out.end()
}

// object answers with one JSON text.
func (x *exchange) object(status int, text []byte) {
	x.head(status, len(text))
	out := x.body()
	out.add(text)
	out.end()
}

// head writes the head of an answer of that size.
func (x *exchange) head(status, size int) {
	x.status = status
	access.CORS(x.w, x.r, x.h.opts.AdmitOrigin) // no preflight gets here
	h := x.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(size))
	x.w.WriteHeader(status)
}

// body writes an answer's body in pieces, each of which the client has
// Options.WriteTimeout for, and maxAnswer for all of them.
type body struct {
	x       *exchange
	until   time.Time
	pending []byte
	err     error
}

const (
	// pieceBytes is how much of a body is written at a time.
	pieceBytes = 64 << 10
	maxAnswer  = 2 * time.Minute
)

func (x *exchange) body() *body { return &body{x: x, until: time.Now().Add(maxAnswer)} }

func (b *body) add(p []byte) {
	for len(p) > 0 && b.err == nil {
		n := min(len(p), pieceBytes-len(b.pending))
		b.pending, p = append(b.pending, p[:n]...), p[n:]
		if len(b.pending) == pieceBytes {
			b.write()
		}
	}
}

func (b *body) write() {
	control, until := http.NewResponseController(b.x.w), time.Now().Add(b.x.h.opts.WriteTimeout)
	if until.After(b.until) {
		until = b.until
	}
	_ = control.SetWriteDeadline(until) // one that cannot is a test's
	if _, b.err = b.x.w.Write(b.pending); b.err == nil {
		if err := control.Flush(); !errors.Is(err, errors.ErrUnsupported) {
			b.err = err
		}
	}
	b.pending = b.pending[:0]
}

// end writes what is left. A body that was cut short ends the connection, so that the
// client takes it for none.
func (b *body) end() {
	if b.err == nil {
		b.write()
	}
	if b.err != nil {
		b.x.h.counters.cut.Add(1)
		panic(http.ErrAbortHandler)
	}
	_ = http.NewResponseController(b.x.w).SetWriteDeadline(time.Time{})
}
