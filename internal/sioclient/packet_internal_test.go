package sioclient

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzParsePacket(f *testing.F) {
	for _, s := range []string{
		"0", `0{"sid":"x"}`, "1", "1/admin,", `2["a"]`, `2/x,["a"]`, `212["a",{"b":1}]`, `2/x,12["a"]`, `3456[]`, `4{"message":"no"}`,
		`51-["a",{"_placeholder":true,"num":0}]`, `62-/x,3[1]`, "", "7", "5", "5-", "599999999999999999999-[]", "2/", "299999999999999999999[]", "2[", "0/x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePacket(bytes.Clone(b))
		if err != nil {
			return
		}
		if p.data != nil && !json.Valid(p.data) {
			t.Errorf("%q: data %q is no JSON", b, p.data)
		}
		if p.attachments < 0 || p.attachments > maxAttachments {
			t.Errorf("%q: %d attachments", b, p.attachments)
		}
		if p.kind == kindBinaryEvent || p.kind == kindBinaryAck {
			return // not sent by us
		}
		again, err := parsePacket(appendPacket(nil, p)[1:])
		if err != nil || again.kind != p.kind || again.hasID != p.hasID || again.id != p.id || !bytes.Equal(again.data, p.data) || !sameNamespace(again.namespace, p.namespace) {
			t.Errorf("%q: %+v became %+v, %v", b, p, again, err)
		}
	})
}
