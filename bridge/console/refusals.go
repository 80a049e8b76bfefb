package console

import (
	"cmp"
	"maps"
	"slices"

	"chatbridge/bridge/api"
	"chatbridge/bridge/ops"
	"chatbridge/socketio/engineio"
)

// Refusal is a reason for which something was refused, closed or not passed on.
type Refusal struct {
	// Of is what was: token, admin, request, event, connection, gateway, webhook, gap,
	// row or word.
	Of     string `json:"of"`
	Reason string `json:"reason"`
	// Total is how often since the start, Hour how often in the last hour.
	Total uint64 `json:"total"`
	Hour  uint64 `json:"hour"`
	// Words are the first of the values that the mapping has no word for, where Of is word.
	Words []string `json:"words,omitempty"`
	// Meaning says what it means for whom; Runbook is the heading's anchor.
	Meaning string `json:"meaning"`
	Runbook string `json:"runbook,omitempty"`
}

// cause is what was refused and why.
type cause struct{ of, reason string }

// counts are refusals by cause; those of which there was none are not in it.
type counts map[cause]uint64

// unknownWord are values that are not translated, by the member: the mapping's, so that they
// have one meaning.
const unknownWord = "word"

// countRefusals gathers them from a Snapshot.
func countRefusals(s *ops.Snapshot) counts {
	all := counts{}
	add := func(of string, by map[string]uint64) {
		for reason, n := range by {
			if n > 0 {
				all[cause{of, reason}] += n
			}
		}
	}
	add("token", s.API.TokensRefused)
	add("admin", map[string]uint64{"wrong_token": s.AdminTokensRefused})
	add("event", s.API.EventsRefused)
	add("request", map[string]uint64{api.RequestRate: s.API.RequestsRefused})
	for i, n := range s.Sockets.Refusals {
		add("request", map[string]uint64{engineio.Reason(i).String(): n})
	}
	for i, n := range s.Sockets.Closes {
		if !ordinary[engineio.Reason(i)] {
			add("connection", map[string]uint64{engineio.Reason(i).String(): n})
		}
	}
	if s.Gateway != nil {
		add("gateway", s.Gateway.Refused)
	}
	if s.Spool != nil {
		add("webhook", s.Spool.Refused)
	}
	_, gaps := s.Hub.ByReason()
	add("gap", gaps)
	add("row", s.Pipeline.Mapping.Unmappable)
	add(unknownWord, s.Pipeline.Mapping.UnknownWords)
	return all
}

// ordinary are the ends of connections that mean nothing.
var ordinary = map[engineio.Reason]bool{
	engineio.ClientClose: true, engineio.TransportClose: true, engineio.ClientDisconnect: true, engineio.Replaced: true,
	engineio.Shutdown: true, engineio.Shed: true, engineio.ServerClose: true, engineio.ServerDisconnect: true,
}

// total sums counts.
func total[K comparable](m map[K]uint64) (sum uint64) {
	for _, n := range m {
		sum += n
	}
	return sum
}

// hour are the counts of the last hour, one for each minute. Those that did not change share
// one map.
type hour struct {
	minutes [60]counts
	n       uint64
}

// add notes the counts as of a minute's end.
func (h *hour) add(c counts) {
	if h.n > 0 {
		if last := h.minutes[(h.n-1)%60]; maps.Equal(last, c) {
			c = last
		}
	}
	h.minutes[h.n%60] = c
	h.n++
}

// before are the counts as of an hour ago, none where the bridge was not there.
func (h *hour) before() counts {
	if h.n < 60 {
		return nil
	}
	return h.minutes[h.n%60]
}

// list is what was refused, the most of the last hour first. words are the mapping's
// unknown words by member.
func (h *hour) list(now counts, words map[string][]string) []Refusal {
	before := h.before()
	out := make([]Refusal, 0, len(now))
	for c, n := range now {
		m := meaningOf(c)
		r := Refusal{Of: c.of, Reason: c.reason, Total: n, Hour: n - min(before[c], n), Meaning: m.text, Runbook: m.runbook}
		if c.of == unknownWord {
			r.Words = words[c.reason]
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Refusal) int {
		for _, d := range []int{cmp.Compare(b.Hour, a.Hour), cmp.Compare(b.Total, a.Total), cmp.Compare(a.Of, b.Of), cmp.Compare(a.Reason, b.Reason)} {
			if d != 0 {
				return d
			}
		}
		return 0
	})
	return out
}

type meaning struct{ text, runbook string }

// meaningOf is what a cause means. One that has no line here is shown by its name.
func meaningOf(c cause) meaning {
	if m, ok := meanings[c]; ok {
		return m
	}
	if c.of == unknownWord {
		return meaning{"A value of this member that the mapping has no word for; its fallback was used. Add it in mapping.file. The first that came:", "bridgeunknownword"}
	}
	return meaning{"The log has a line with this reason.", "runbook"}
}

// meanings are in the words of who is woken by them. A test holds them to be complete.
var meanings = map[cause]meaning{
	{"admin", "wrong_token"}: {"A wrong value of admin.token was shown on this listener: a program has an old one, or somebody tries. The log names the addresses.", "bridgeadmintokensrefused"},

	{"token", "token_missing"}:     {"Came without a token: a scan, or a page that is not signed in.", "bridgetokensrefused"},
	{"token", "token_malformed"}:   {"What was shown is no signed token, or too large.", "bridgetokensrefused"},
	{"token", "token_algorithm"}:   {"Signed in a way that is not accepted.", "bridgetokensrefused"},
	{"token", "token_signature"}:   {"No secret and no key verifies it: was the secret changed on one side only?", "bridgetokensrefused"},
	{"token", "token_key_unknown"}: {"It names a key that the project does not publish.", "bridgetokensrefused"},
	{"token", "token_expired"}:     {"Its time is over: a client that does not renew it, or a wrong clock.", "bridgetokensrefused"},
	{"token", "token_not_active"}:  {"Its time has not begun: a wrong clock here or there.", "bridgetokensrefused"},
	{"token", "token_issuer"}:      {"Made by another issuer than is accepted.", "bridgetokensrefused"},
	{"token", "token_audience"}:    {"Made for somebody else.", "bridgetokensrefused"},
	{"token", "token_claims"}:      {"A claim that is needed is missing, or of another type.", "bridgetokensrefused"},
	{"token", "token_role"}:        {"A key of the project in place of a user's session.", "bridgetokensrefused"},
	{"token", "workspace_missing"}: {"Neither the token nor the client names a workspace.", "bridgetokensrefused"},
	{"token", "workspace_invalid"}: {"What is named cannot be a workspace's id.", "bridgetokensrefused"},
	{"token", "not_a_member"}:      {"The user has no row in the members table for this workspace.", "bridgetokensrefused"},
	{"token", "unavailable"}:       {"Could not be judged: the keys or the members table cannot be read. The client comes back.", "bridgetokensunjudged"},
	{"token", "workspace_full"}:    {"The workspace has limits.workspace.clients already. The client comes back.", "bridgelimitreached"},

	{"event", "bad_request"}:            {"A client sent something of another shape than the contract has.", ""},
	{"event", "unknown_event"}:          {"A client sent an event that this server does not know.", ""},
	{"event", "too_many_marks"}:         {"A client marks conversations as read faster than the answers come.", ""},
	{"event", "too_many_subscriptions"}: {"A client has as many subscriptions as one may have.", ""},
	{"event", "unknown_conversation"}:   {"A client named a conversation that its workspace does not have.", ""},
	{"event", "typing_rate"}:            {"A workspace's clients name too many conversations in typing notices; they are dropped.", ""},
	{"event", "other_principal"}:        {"A fresh token was another user's or workspace's.", "bridgetokensrefused"},
	{"event", "unavailable"}:            {"Could not be done now: sending is off, or a token cannot be judged.", ""},
	{"event", "send_rate"}:              {"A user sends more texts than send.rate.", ""},
	{"event", "session_needed"}:         {"Sending takes a session token of the project, and the client has none.", ""},
	{"event", "token_expired"}:          {"The token that a text was to be sent with is over.", ""},
	{"event", "not_sent"}:               {"What sends for the bridge refused the text or failed.", ""},
	{"event", "outcome_unknown"}:        {"Whether a text was sent could not be found out; its sender is told so.", ""},
	{"event", "id_reused"}:              {"A client's id for a text was used for another text before.", ""},
	{"event", "reconnect"}:              {"A subscription came on a connection that was being closed, as another bridge has the session; the client says it again there.", ""},

	{"request", "payload_too_big"}:                 {"A request's body was larger than limits.payload.", ""},
	{"request", "unknown_transport"}:               {"No Engine.IO transport: a scan, or a wrong address.", ""},
	{"request", "unknown_session"}:                 {"A session that this bridge does not have: the client begins anew. Many: is the load balancer sticky?", ""},
	{"request", "bad_method"}:                      {"An HTTP method that is not served.", ""},
	{"request", "bad_request"}:                     {"No Engine.IO request.", ""},
	{"request", "forbidden_origin"}:                {"A browser's page of an origin that cors.origins does not list.", "bridgeoriginrefused"},
	{"request", "unsupported_protocol"}:            {"A client of an older Engine.IO: Socket.IO before version 3.", ""},
	{"request", "max_connections"}:                 {"limits.connections is used up.", "bridgelimitreached"},
	{"request", "max_connections_per_address"}:     {"One address has limits.connections_per_address. A proxy? Name it in proxies.trusted.", "bridgelimitreached"},
	{"request", "max_unauthenticated"}:             {"limits.unauthenticated sockets bring no token: a scan or an attack.", "bridgelimitreached"},
	{"request", "max_unauthenticated_per_address"}: {"One address has too many sockets without a token.", "bridgelimitreached"},
	{"request", "handshake_rate"}:                  {"More new connections a second than limits.handshakes_per_second. Clients come back.", "bridgelimitreached"},
	{"request", "handshake_rate_per_address"}:      {"One address opens connections too fast. A proxy? Name it in proxies.trusted.", "bridgelimitreached"},
	{"request", "request_rate_per_address"}:        {"One address asks too often without a session.", "bridgelimitreached"},
	{"request", "shutting_down"}:                   {"Came while the bridge was ending; goes to another one.", ""},

	{"connection", "transport_error"}:      {"A connection failed, or its requests came out of order.", ""},
	{"connection", "parse_error"}:          {"A client sent what is no Socket.IO.", ""},
	{"connection", "ping_timeout"}:         {"A client did not answer: gone without a word. It comes back and is caught up.", ""},
	{"connection", "write_timeout"}:        {"A client took nothing for limits.write_timeout. It comes back and is caught up.", "bridgeslowclients"},
	{"connection", "queue_packets"}:        {"More packets waited for a client than limits.queue_packets.", "bridgeslowclients"},
	{"connection", "queue_bytes"}:          {"More bytes waited for a client than limits.queue_bytes.", "bridgeslowclients"},
	{"connection", "payload_too_big"}:      {"A client's message was larger than limits.payload.", ""},
	{"connection", "message_timeout"}:      {"A client without a token did not finish its message: a scan, or an attack.", "bridgelimitreached"},
	{"connection", "rate_limit"}:           {"A client sent more than limits.packets_per_second.", ""},
	{"connection", "connect_timeout"}:      {"A client brought no token in time: a scan, or a page that hangs.", "bridgelimitreached"},
	{"connection", "connect_refused"}:      {"A client was refused too often on one connection.", "bridgetokensrefused"},
	{"connection", "too_many_attachments"}: {"A client announced more attachments than are allowed.", ""},
	{"connection", "too_many_rooms"}:       {"A client asked for more subscriptions than one may have.", ""},
	{"connection", "auth_retry"}:           {"A token could not be judged; the client comes back.", "bridgetokensunjudged"},
	{"connection", "panic"}:                {"A fault of the bridge cost a client its connection: please report the log's stack.", "bridgepanic"},
	{"connection", "max_unauthenticated"}:  {"A socket without a token made room for another one.", "bridgelimitreached"},

	{"gateway", "method"}:                  {"A method that is not passed on.", ""},
	{"gateway", "target"}:                  {"A request whose target is no path.", ""},
	{"gateway", "body"}:                    {"A request whose body could not be read.", ""},
	{"gateway", "payload"}:                 {"A request whose body is larger than limits.payload.", ""},
	{"gateway", "path"}:                    {"A path that leads out of what is served: a scan.", ""},
	{"gateway", "address"}:                 {"An address that allow.addresses does not admit.", ""},
	{"gateway", "origin"}:                  {"A browser's page of an origin that cors.origins does not list.", "bridgeoriginrefused"},
	{"gateway", "loop"}:                    {"gateway.upstream leads back to this bridge: it wants ChatEngine's own address.", "configuration"},
	{"gateway", "connections"}:             {"limits.connections is used up.", "bridgelimitreached"},
	{"gateway", "connections_per_address"}: {"One address has limits.connections_per_address. A proxy? Name it in proxies.trusted.", "bridgelimitreached"},
	{"gateway", "handshakes_per_second"}:   {"New connections come faster than limits.handshakes_per_second.", "bridgelimitreached"},
	{"gateway", "requests_per_address"}:    {"One address asks too often.", "bridgelimitreached"},
	{"gateway", "packets_per_second"}:      {"A client sent more than limits.packets_per_second.", ""},
	{"gateway", "resources"}:               {"No room for another connection: file descriptors, or ports to ChatEngine.", "bridgefiledescriptors"},

	{"webhook", "full"}:   {"The spool is full (spool.max_bytes).", "bridgespoolrefusing"},
	{"webhook", "disk"}:   {"The spool's file cannot be written.", "bridgespoolunavailable"},
	{"webhook", "large"}:  {"Larger than spool.max_body, while ChatEngine was down.", "bridgespoolrefusing"},
	{"webhook", "memory"}: {"Too many at once, for a moment.", "bridgespoolrefusing"},
	{"webhook", "body"}:   {"The webhook's body did not come.", ""},

	{"gap", "away"}:     {"A client was away for longer than could be made up for; it was told so.", "bridgeclientsmissedevents"},
	{"gap", "window"}:   {"A bound of the log pushed events out before a client came; it was told so.", "bridgereplaytoosmall"},
	{"gap", "evicted"}:  {"A bound of the log pushed events out before a client had read them; it was told so.", "bridgereplaytoosmall"},
	{"gap", "history"}:  {"The database was restored or failed over; clients were told so.", "bridgegap"},
	{"gap", "source"}:   {"The source lost changes; clients were told so.", "bridgegap"},
	{"gap", "left_out"}: {"An event was larger than limits.event; clients were told so.", "bridgeclientsmissedevents"},

	{"row", "missing_column"}:  {"A row lacks a column that the mapping reads.", "bridgeunmappable"},
	{"row", "no_key"}:          {"A row has no key.", "bridgeunmappable"},
	{"row", "no_workspace"}:    {"It could not be found whose row it is: nobody may see it.", "bridgeunmappable"},
	{"row", "no_conversation"}: {"It could not be found of which conversation a row is.", "bridgeunmappable"},
	{"row", "no_member"}:       {"A member that the contract demands could not be had.", "bridgeunmappable"},
	{"row", "value_not_sent"}:  {"The database did not send a large value that had not changed, and it was not known.", "bridgeunmappable"},
	{"row", "no_unit"}:         {"A time is a number of an unknown unit; another time was taken.", "bridgeunmappable"},
}
