package clienttest_test

import "slices"

// difference is a place where our server and npm's do not do the same.
type difference struct {
	scripts []string // of TestParity and TestParityRaw
	lacks   ability  // kinds of client that lack it see no difference
	why     string
	// right: ours does what it shall do. Otherwise it is a fault, and the test is
	// skipped until that is fixed.
	right bool
	// sometimes: in some runs there is none.
	sometimes bool
}

// differences are all that are known.
var differences = []difference{
	{
		scripts: []string{"recovery", "recovery by polling"},
		lacks:   recoversSession,
		why:     "npm's server sends what a session missed before its CONNECT packet; ours sends CONNECT first, as the protocol has it",
		right:   true,
	},
	{
		scripts: []string{"before joining, 1", "joined, then 1", "joined, then 1x"},
		why:     "a close packet closes the connection, as Engine.IO's suite demands; npm's server still answers what comes next",
		right:   true,
	},
	{
		scripts: []string{"joined, then 42"},
		why:     "an event whose payload is no array closes the connection; npm's server lets one without a payload pass, as an event without a name",
		right:   true,
	},
	{
		scripts: []string{`joined, then 42[1,"x"]`, `joined, then 42[-1.5,"x"]`},
		why:     "a name that is a number is handed to the application as its digits",
		right:   true,
	},
	{
		scripts: []string{
			"joined, then two attachments, acknowledged", "joined, then one attachment in two places",
			"joined, then an attachment that nothing refers to", "joined, then ten attachments",
		},
		why:   "attachments are passed on as they came, which a client puts together to the same values; npm's server numbers them anew",
		right: true,
	},
	{
		scripts: []string{`joined, then 42 ["x"]`},
		why:     "npm's server takes a blank for the acknowledgement id 0; no client sends one",
		right:   true,
	},
	{
		scripts: []string{`joined, then 429007199254740993["echo",1]`, `joined, then 4299999999999999999999["echo",1]`},
		why:     "an id is acknowledged exactly, and refused past 64 bits; npm's server answers with a rounded one, that the client does not know",
		right:   true,
	},
	{
		scripts: []string{"joined, then a placeholder of number 0.5"},
		why:     "npm's server hands undefined to the application",
		right:   true,
	},
	{
		scripts: []string{"no pong"},
		why:     "the connection of a client that reads nothing is reset; both are a lost connection to a client, after which it comes back",
		right:   true,
	},
	{
		scripts: []string{
			"WebSocket, EIO=3&transport=websocket", "WebSocket, EIO=5&transport=websocket", "WebSocket, EIO=abc&transport=websocket",
			"WebSocket, transport=websocket", "WebSocket, EIO=4&transport=polling",
		},
		why:   "a WebSocket that is not served gets HTTP 400; npm's server accepts it and closes it. Engine.IO's suite allows both",
		right: true,
	},
	{
		scripts: []string{
			`POST "abc"`, `POST ""`, `POST "\x1e"`, `POST "42[\"x\"]\x1e"`, `POST "\x1e42[\"x\"]"`, `POST "b!"`, `POST "7"`, `POST "8:42[\"x\"]"`, `POST "42[\"x\"]\x1eabc"`,
			"POST of type application/octet-stream",
		},
		why:   "a body that is no packets gets 400 with the reason, and the session has ended, as Engine.IO's suite demands; npm's server says ok or nothing before it ends the session",
		right: true,
	},
	{
		scripts: []string{`POST "42[\"\xff\"]"`},
		why:     "text that is not UTF-8 could end the connections of other clients, if it was passed on; npm's server puts another character in its place",
		right:   true,
	},
	{
		scripts: []string{`POST "1"`, `POST "42[\"x\"]\x1e1"`},
		why:     "a poll that comes just after the client closed gets the packet 6, since the two requests may overtake each other; npm's server has it wait already or says 400",
		right:   true, sometimes: true,
	},
	{
		scripts: []string{`POST "bAQID"`, `POST "42[\"x\""`},
		why:     "after a packet that is not Socket.IO the next poll gets 400, as Engine.IO's suite demands of a bad packet; npm's server answers one more poll with a close packet",
		right:   true,
	},
	{
		scripts: []string{"HTTP GET EIO=4&transport=polling&j=0"},
		why:     "JSONP, which clients up to 4.2 use with forceJSONP, is refused: its answers are scripts, which pages of any origin may load; npm's server asks no origin for them",
		right:   true,
	},
	{
		scripts: []string{"two CONNECTs at once"},
		why:     "of a client that is nobody yet one CONNECT for a namespace is judged, and its payload kept, at a time; a second one ends the connection, after which clients come back. npm's server judges any number, and keeps a socket for each that is good",
		right:   true, sometimes: true,
	},
}

func knownDifference(k parityKind, script string) (difference, bool) {
	for _, d := range differences {
		if slices.Contains(d.scripts, script) && (d.lacks == "" || !k.without(d.lacks)) {
			return d, true
		}
	}
	return difference{}, false
}
