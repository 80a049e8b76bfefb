package demo

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// message is a generated row of messages; nil is NULL.
type message struct {
	id, body, kind, status string
	external               string // WhatsApp's id
	created                time.Time
	outgoing               bool
	sender, user, client   *string
	replyTo                *string
	quoted                 map[string]any
	url, path, mime        *string
	size                   *int64
	duration               *int32
	thumbnail              *string
}

var lines = []string{
	"Bom dia! Tudo bem?",
	"Ainda tem o modelo azul em estoque?",
	"Segue o comprovante 👍",
	"Can you send me the price list, please?",
	"Perfeito, obrigado!",
	"O pedido nº 4821 já saiu para entrega?",
	"Pode ser amanhã às 14h",
	"Vou confirmar com o financeiro e te retorno ainda hoje.",
	"Sim",
	"😂😂😂",
	"Endereço: Rua das Flores, 120, apto 42, \"Torre B\"",
	"どうもありがとうございます",
	"Qual o prazo?\nPreciso até sexta.",
	"É este link? https://loja.example/p/881?ref=wa&cor=azul",
}

// media are the kinds of messages with a file: their share of a hundred
// messages, and the values of their columns.
var media = []struct {
	share              int
	kind, mime, suffix string
	seconds            int32
	caption            bool
}{
	{9, "image", "image/jpeg", "jpg", 0, true},
	{8, "audio", "audio/ogg; codecs=opus", "ogg", 14, false},
	{5, "document", "application/pdf", "pdf", 0, true},
	{3, "ptt", "audio/ogg; codecs=opus", "ogg", 6, false},
	{2, "video", "video/mp4", "mp4", 21, true},
	{2, "sticker", "image/webp", "webp", 0, false},
	{1, "location", "", "", 0, true},
}

// compose generates a message for c: most are text, some have a file, some
// reply to an earlier one.
func (w *worker) compose(c *chat) *message {
	m := &message{id: newID(w.rng), external: newExternalID(w.rng), body: lines[w.rng.IntN(len(lines))], kind: "text"}
	if w.rng.IntN(8) == 0 && len(c.recent) > 0 {
		m.replyTo = ptr(c.recent[w.rng.IntN(len(c.recent))])
		m.quoted = map[string]any{"id": *m.replyTo, "body": lines[w.rng.IntN(len(lines))]}
	}
	pick := w.rng.IntN(100)
	for _, f := range media {
		if pick -= f.share; pick >= 0 {
			continue
		}
		m.kind = f.kind
		if !f.caption {
			m.body = ""
		}
		if f.mime == "" {
			break
		}
		path := fmt.Sprintf("%s/%s/%s.%s", c.workspace, c.id, m.id, f.suffix)
		m.path, m.mime, m.size = &path, ptr(f.mime), ptr(10_000+w.rng.Int64N(900_000))
		// A file that has not been copied to storage yet has a path only.
		if w.rng.IntN(4) > 0 {
			m.url = ptr("https://media.example/" + path)
		}
		if f.seconds > 0 {
			m.duration = ptr(1000*f.seconds + w.rng.Int32N(1000))
		}
		if f.kind == "image" || f.kind == "video" {
			m.thumbnail = ptr("https://media.example/thumb/" + m.id + ".jpg")
		}
		break
	}
	return m
}

// newExternalID returns an id such as WhatsApp gives.
func newExternalID(rng *rand.Rand) string { return fmt.Sprintf("3EB0%016X", rng.Uint64()) }

// from is who sent it, as the contract says it.
func (m *message) from() string {
	switch {
	case !m.outgoing:
		return *m.sender
	case m.user != nil:
		return *m.user
	}
	return "me"
}
