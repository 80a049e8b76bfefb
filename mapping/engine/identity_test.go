package engine_test

import (
	"regexp"
	"strings"
	"testing"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/internal/convert"
)

// crmPhone is the CRM's: what a senderId must look like to be shown as
// incoming.
var crmPhone = regexp.MustCompile(`^\+?[1-9]\d{10,14}(@s\.whatsapp\.net)?$`)

// identities are the forms in which WhatsApp's identities are met, and what
// each transform and shape makes of them; "" is no value.
var identities = []struct{ in, phone, jid, lid, shaped, shape string }{
	// A phone, as the CRM has it.
	{"5511988887777", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", "phone"},
	{"+5511988887777", "+5511988887777", "5511988887777@s.whatsapp.net", "", "+5511988887777", "phone"},
	{"5511988887777@s.whatsapp.net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", "phone_jid"},
	// Devices and agents.
	{"5511988887777:3@s.whatsapp.net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777:0@s.whatsapp.net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777:99@hosted", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777_1:12@s.whatsapp.net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777.0:12@s.whatsapp.net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777.255@s.whatsapp.net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777:3", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777:@s.whatsapp.net", "", "", "", "", ""},
	{"5511988887777:x@s.whatsapp.net", "", "", "", "", ""},
	// Servers.
	{"5511988887777@c.us", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777:4@c.us", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777@S.WhatsApp.Net", "5511988887777", "5511988887777@s.whatsapp.net", "", "5511988887777", ""},
	{"5511988887777@example.org", "", "", "", "", ""},
	{"5511988887777@", "", "", "", "", ""},
	{"5511988887777@call", "", "", "", "", ""},
	{"@s.whatsapp.net", "", "", "", "", ""},
	{"server@c.us", "", "", "", "", ""},
	{"0@c.us", "", "", "", "99900000000", ""},
	{"867051314767696@bot", "", "", "", "867051314767696", ""},
	{"13135550002@c.us", "13135550002", "13135550002@s.whatsapp.net", "", "13135550002", ""},
	// Numbers as people write them.
	{"+55 (11) 97777-6666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"55 11 97777 6666", "5511977776666", "5511977776666@s.whatsapp.net", "", "5511977776666", ""},
	{"55-11-97777-6666", "5511977776666", "5511977776666@s.whatsapp.net", "", "5511977776666", ""},
	{"55.11.97777.6666", "5511977776666", "5511977776666@s.whatsapp.net", "", "5511977776666", ""},
	{"+55/11/977776666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{" +5511977776666\n", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"(+55) 11977776666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"+ 5511977776666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"\u202a+55\u00a011\u00a097777\u20116666\u202c", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"0055 11 97777-6666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"whatsapp:+5511977776666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"tel:+55-11-97777-6666", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"+55 11 97777-6666@s.whatsapp.net", "+5511977776666", "5511977776666@s.whatsapp.net", "", "+5511977776666", ""},
	{"++5511977776666", "", "", "", "", ""},
	{"55+11977776666", "", "", "", "", ""},
	{"55 11 97777 6666 x12", "", "", "", "", ""},
	{"+", "", "", "", "", ""},
	{"-", "", "", "", "", ""},
	{"５５１１９７７７７６６６６", "", "", "", "", ""},
	// Length, and the digit in front: 11 to 15, no 0.
	{"6591234567", "", "", "", "9996591234567", ""},
	{"6591234567@s.whatsapp.net", "", "", "", "9996591234567", ""},
	{"+65 9123 4567", "", "", "", "9996591234567", ""},
	{"29012345@s.whatsapp.net", "", "", "", "99929012345", ""},
	{"2901234", "", "", "", "99902901234", ""},
	{"11988887777", "11988887777", "11988887777@s.whatsapp.net", "", "11988887777", "phone"},
	{"011988887777", "", "", "", "999011988887777", ""},
	{"123456789012345", "123456789012345", "123456789012345@s.whatsapp.net", "", "123456789012345", "phone"},
	{"1234567890123456", "", "", "", "", ""},
	{"1234567890123456@s.whatsapp.net", "", "", "", "", ""},
	// LIDs.
	{"198765432109876@lid", "", "", "198765432109876", "198765432109876", "lid"},
	{"198765432109876:21@lid", "", "", "198765432109876", "198765432109876", "lid"},
	{"198765432109876_1:21@lid", "", "", "198765432109876", "198765432109876", "lid"},
	{"198765432109876:99@hosted.lid", "", "", "198765432109876", "198765432109876", "lid"},
	{"lid:198765432109876", "", "", "198765432109876", "198765432109876", "lid"},
	{"LID:198765432109876", "", "", "198765432109876", "198765432109876", "lid"},
	{"lid:198765432109876@lid", "", "", "198765432109876", "198765432109876", "lid"},
	{"18273645@lid", "", "", "18273645", "99918273645", "lid"},
	{"1234567890123456@lid", "", "", "1234567890123456", "999567890123456", "lid"},
	{"lid:…", "", "", "", "", ""},
	{"lid:", "", "", "", "", ""},
	{"+1987@lid", "", "", "", "", ""},
	// Groups, channels, broadcasts: nobody.
	{"120363012345678901@g.us", "", "", "", "", "group"},
	{"5511988887777-1400000000@g.us", "", "", "", "", "group"},
	{"group:120363012345678901", "", "", "", "", "group"},
	{"120363012345678901", "", "", "", "", ""},
	{"5511988887777-1400000000", "", "", "", "", ""},
	{"120363298765432109@newsletter", "", "", "", "", "newsletter"},
	{"status@broadcast", "", "", "", "", ""},
	{"1400000000@broadcast", "", "", "", "", ""},
	// Nothing.
	{"", "", "", "", "", ""},
	{"   ", "", "", "", "", ""},
	{"system", "", "", "", "", ""},
	{"0b7e3f54-51f9-4d6a-9f0e-3a1f6f0e1c11", "", "", "", "", ""},
	{strings.Repeat("1", 5000), "", "", "", "", ""},
}

// as writes s as the transform of that name does, "" when it has no such form.
func as(name, s string) string {
	x := convert.Transforms[name]
	if x.Same != nil && x.Same([]byte(s)) {
		return s
	}
	out, ok := x.To(nil, []byte(s))
	if !ok {
		return ""
	}
	return string(out)
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	for _, c := range identities {
		for name, want := range map[string]string{"phone": c.phone, "phone_jid": c.jid, "lid": c.lid, "phone_shaped": c.shaped} {
			got := as(name, c.in)
			if got != want {
				t.Errorf("%.40q as %s: %q, want %q", c.in, name, got, want)
			}
			if name != "lid" && got != "" && !crmPhone.MatchString(got) {
				t.Errorf("%.40q as %s: %q is no phone to the CRM", c.in, name, got)
			}
		}
		for _, shape := range []string{"phone", "phone_jid", "lid", "group", "newsletter"} {
			// The CRM's pattern allows a + in a JID, and digits alone.
			if got, want := convert.Shape(shape)([]byte(c.in)), c.shape == shape; got != want {
				t.Errorf("%.40q has the shape %s: %v", c.in, shape, got)
			}
		}
	}
	if len(identities) < 60 {
		t.Errorf("%d forms only", len(identities))
	}
}

// Whatever stands in sender_jid, in a group or not, whatever the contact has,
// an incoming message is shown as one.
func TestIncomingIsIncoming(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	for _, c := range identities {
		for _, phone := range identities {
			w := newWorld(t, spec, engine.Options{})
			for _, group := range []string{"t", "f"} {
				w.tx(insert("contacts", ana.with(fields{"phone": phone.in})),
					insert("conversations", conversation.with(fields{"is_group": group})))
				events := w.tx(insert("messages", message.with(fields{"sender_jid": c.in})))
				if id := senderOf(events); !crmPhone.MatchString(id) {
					t.Fatalf("sender_jid %.40q, phone %.40q, group %s: senderId %q", c.in, phone.in, group, id)
				}
			}
		}
	}
}

// senderOf is the senderId of the first event.
func senderOf(events []contract.Event) string {
	_, s, _ := strings.Cut(string(events[0].Payload), `"senderId":"`)
	s, _, _ = strings.Cut(s, `"`)
	return s
}

// Who wrote, by what the tables know.
func TestSenders(t *testing.T) {
	t.Parallel()
	const group = "120363012345678901"
	cases := []struct {
		name                                    string
		group, sender, phone, remote, raw, want string
	}{
		{"a LID whose phone is known", "f", "198765432109876@lid", "+5511977776666", "", "", "+5511977776666"},
		{"nothing but a phone as people write it", "f", "", "+55 (11) 97777-6666", "", "", "+5511977776666"},
		{"a device", "f", "5511988887777:3@s.whatsapp.net", "+5511977776666", "", "", "5511988887777@s.whatsapp.net"},
		{"a device in a group", "t", "5511988887777:12@s.whatsapp.net", group, "", "", "5511988887777@s.whatsapp.net"},
		{"a LID in a group", "t", "198765432109876@lid", group, "", "", "198765432109876"},
		{"a LID in a group whose contact has a phone", "t", "198765432109876@lid", "5511977776666", group + "@g.us", "", "198765432109876"},
		{"a LID and nothing else", "f", "123456789012345@lid", "lid:123456789012345", "", "", "123456789012345"},
		{"a phone of ten digits", "f", "6591234567@s.whatsapp.net", "6591234567", "", "", "9996591234567"},
		{"a phone of ten digits and no JID", "f", "", "6591234567", "", "", "9996591234567"},
		{"nobody in a group", "t", "", group, "", "", "99900000000"},
		{"the group's own JID", "t", group + "@g.us", group, group + "@g.us", "", "99900000000"},
		{"a group that remote_jid tells of", "", "198765432109876@lid", "5511977776666", group + "@g.us", "", "198765432109876"},
		{"the conversation's JID", "f", "", "lid:1", "5511966665555@c.us", "", "5511966665555@s.whatsapp.net"},
		{"the contact's JID", "f", "198765432109876@lid", "lid:198765432109876", "198765432109876@lid", "5511966665555@s.whatsapp.net", "5511966665555@s.whatsapp.net"},
		{"a LID of the conversation", "f", "", "lid:…", "198765432109876@lid", "", "198765432109876"},
		{"a LID of the contact", "f", "", "lid:198765432109876", "", "", "198765432109876"},
		{"a channel", "f", "120363298765432109@newsletter", "120363298765432109", "120363298765432109@newsletter", "", "99900000000"},
	}
	for _, c := range cases {
		value := func(s string) any {
			if s == "" {
				return nil
			}
			return s
		}
		w := newWorld(t, load(t, "crm"), engine.Options{})
		w.tx(insert("contacts", ana.with(fields{"phone": value(c.phone), "raw_jid": value(c.raw)})),
			insert("conversations", conversation.with(fields{"is_group": value(c.group), "remote_jid": value(c.remote)})))
		events := w.tx(insert("messages", message.with(fields{"sender_jid": value(c.sender)})))
		if got := senderOf(events); got != c.want || !crmPhone.MatchString(got) {
			t.Errorf("%s: senderId %q, want %q", c.name, got, c.want)
		}
		if last := events[len(events)-1]; !strings.Contains(string(last.Payload), `"senderId":"`+c.want+`"`) {
			t.Errorf("%s: lastMessage: %s", c.name, last.Payload)
		}
	}
}

func BenchmarkAsPhoneJID(b *testing.B) {
	b.ReportAllocs()
	in, out, to := []byte("5511988887777:3@s.whatsapp.net"), make([]byte, 0, 64), convert.Transforms["phone_jid"].To
	for b.Loop() {
		to(out, in)
	}
}

func TestPhones(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"5511987654321": true, "+5511987654321": true, "12345678901": true, "123456789012345": true,
		"1234567890": false, "1234567890123456": false, "05511987654321": false, "55119876x4321": false, "": false, "+": false,
	} {
		if convert.Shape("phone")([]byte(in)) != want || convert.Shape("phone_jid")([]byte(in+"@s.whatsapp.net")) != want {
			t.Errorf("%q: %v, want %v", in, !want, want)
		}
		if convert.Shape("phone_jid")([]byte(in)) || convert.Shape("phone_jid")([]byte(in+"@lid")) {
			t.Errorf("%q is taken for a JID", in)
		}
	}
}
