package mutants

// clients: what one client may cost, and what it may claim.
var clients = []Mutant{
	{
		Name: "api: the CONNECT payload stays", Why: "a client keeps as much memory as it likes to send in its CONNECT",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestAConnectPayloadIsNotKept"},
		Old: "	socket.ForgetAuth() // it has been judged\n", New: "",
	},
	{
		Name: "handover: subscriptions of any size are kept", Why: "a client keeps a hundred megabytes for as long as it is connected",
		File: "bridge/gateway/handover/feed.go", Package: "bridge/gateway/handover", Tests: []string{"TestSubscriptionsOfAFeedAreBounded"},
		Old: " || len(packet) > maxSubscription {", New: " {",
	},
	{
		Name: "typing: any conversation passes", Why: "a client says that somebody types in a conversation of another workspace",
		File: "bridge/api/typing.go", Package: "bridge/api", Tests: []string{"TestTypingIsDroppedForConversationsOfOthers"},
		Old: "	case !has:\n		return errUnknownConversation\n", New: "	case !has:\n",
	},
	{
		Name: "gateway: an answer 101 that nobody asked for is not closed", Why: "each leaves a descriptor until the collector finds it",
		File: "bridge/gateway/http.go", Package: "bridge/gateway", Tests: []string{"TestOnlyWebSocketsAreTunnelled"},
		Old: "		return errSwitched\n", New: "		_ = errSwitched\n",
	},
	{
		Name: "engineio: an idle writer keeps what it wrote last", Why: "events of megabytes stay in memory until there are others",
		File: "socketio/engineio/writer.go", Package: "socketio/stress", Tests: []string{"TestReaderOfNothing"},
		Old: "		w.letGo()\n", New: "",
	},
	{
		Name: "typing: questions without end", Why: "one workspace's clients keep the database busy with questions about conversations that there are not",
		File: "bridge/api/typing.go", Package: "bridge/api", Tests: []string{"TestTypingAsksABoundedNumberOfQuestions"},
		Old: "	return q.AllowN(now, 1)\n", New: "	return true\n",
	},
	{
		Name: "api: a full workspace refuses for good", Why: "a client that finds its workspace full never comes back",
		File: "bridge/api/connect.go", Package: "bridge/api", Tests: []string{"TestAFullWorkspaceSendsClientsAway"},
		Old: "		s.counters.tokenRefused(workspaceFull)\n		return nil, socketio.ErrRetry\n", New: "		s.counters.tokenRefused(workspaceFull)\n		return nil, &socketio.ConnectError{Message: \"full\"}\n",
	},
	{
		Name: "socketio: a large event waits for room that there never is", Why: "an event larger than the queue makes every client deaf",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestMessageLargerThanTheQueue"},
		Old: "case s.depth > 0 && s.size+m.Size() > l.QueueBytes:", New: "case s.size+m.Size() > l.QueueBytes:",
	},
	{
		Name: "socketio: a paused session is broadcast to", Why: "a client that is being caught up gets events out of order",
		File: "socketio/engineio/queue.go", Package: "socketio/engineio", Tests: []string{"TestPause"},
		Old: "case broadcast && s.paused:", New: "case broadcast && false:",
	},
}
