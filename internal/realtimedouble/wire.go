package realtimedouble

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"slices"

	"chatbridge/internal/jsonscan"
)

// clientFrame is what a client sent. References are kept as they were written.
type clientFrame struct {
	joinRef, ref json.RawMessage
	topic, event string
	payload      json.RawMessage
}

// parseFrame reads a client's frame in either version; false where the real
// server drops it without a word.
func parseFrame(v2 bool, data []byte) (clientFrame, bool) {
	var f clientFrame
	if v2 {
		var parts []json.RawMessage
		if json.Unmarshal(data, &parts) != nil || len(parts) < 5 {
			return f, false
		}
		f.joinRef, f.ref, f.payload = parts[0], parts[1], parts[4]
		return f, json.Unmarshal(parts[2], &f.topic) == nil && json.Unmarshal(parts[3], &f.event) == nil
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(data, &m) != nil {
		return f, false
	}
	for _, k := range []string{"topic", "event", "payload", "ref"} {
		if _, ok := m[k]; !ok {
			return f, false
		}
	}
	f.joinRef, f.ref, f.payload = m["join_ref"], m["ref"], m["payload"]
	return f, json.Unmarshal(m["topic"], &f.topic) == nil && json.Unmarshal(m["event"], &f.event) == nil
}

// serverFrame prints a frame of the server. Version 1 has no join_ref.
func serverFrame(v2 bool, joinRef, ref json.RawMessage, topic, event, payload string) []byte {
	orNull := func(r json.RawMessage) []byte {
		if len(r) == 0 {
			return []byte("null")
		}
		return r
	}
	var b bytes.Buffer
	if v2 {
		b.WriteByte('[')
		b.Write(orNull(joinRef))
		b.WriteByte(',')
		b.Write(orNull(ref))
		b.WriteByte(',')
		b.WriteString(quote(topic))
		b.WriteByte(',')
		b.WriteString(quote(event))
		b.WriteByte(',')
		b.WriteString(payload)
		b.WriteByte(']')
		return b.Bytes()
	}
	b.WriteString(`{"ref":`)
	b.Write(orNull(ref))
	b.WriteString(`,"event":` + quote(event) + `,"payload":` + payload + `,"topic":` + quote(topic) + `}`)
	return b.Bytes()
}

// quote prints a JSON string without HTML escapes.
func quote(s string) string {
	b, _ := jsonscan.Marshal(s) // a string always encodes
	return string(b)
}

func replyPayload(status, response string) string {
	return `{"status":` + quote(status) + `,"response":` + response + `}`
}

func systemPayload(message, status, extension, channel string) string {
	return `{"message":` + quote(message) + `,"status":` + quote(status) +
		`,"extension":` + quote(extension) + `,"channel":` + quote(channel) + `}`
}

// entryJSON prints a binding as the reply to a join does: the id, then the
// keys that were sent, in order of their names.
func entryJSON(id int, entry map[string]json.RawMessage) string {
	var b bytes.Buffer
	b.WriteString(`{"id":`)
	b.WriteString(itoa(id))
	for _, k := range sortedKeys(entry) {
		b.WriteString(`,` + quote(k) + `:`)
		b.Write(entry[k])
	}
	b.WriteByte('}')
	return b.String()
}

// entryID is a stable hash of a binding, in the range of the real one.
func entryID(entry map[string]json.RawMessage) int {
	h := fnv.New32a()
	for _, k := range sortedKeys(entry) {
		h.Write([]byte(k))
		h.Write(entry[k])
	}
	return int(h.Sum32() & 0x7FFFFFF)
}

func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }
