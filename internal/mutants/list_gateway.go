package mutants

// gateway: a client that comes back to ChatEngine is made up for what it missed.
var gateway = []Mutant{
	{
		Name: "gateway: cover time left out", Why: "a status that an older one of ChatEngine's follows stays wrong",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpPassesNothingOlderThanTheBridgesWord"},
		Old: `c.pour(time.Now().Add(-c.g.opts.CatchUp))`, New: `c.pour(time.Time{})`,
	},
	{
		Name: "gateway: cover time up to now", Why: "what ChatEngine said last is dropped though the bridge has not read it",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpKeepsWhatTheBridgeHasNotRead"},
		Old: `c.pour(time.Now().Add(-c.g.opts.CatchUp))`, New: `c.pour(time.Now())`,
	},
	{
		Name: "gateway: a subscription starts nothing anew", Why: "the conversation opened while catching up lacks its backlog",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestSubscribingAnewAsksAgain"},
		Old: "\tc.again()\n\tif !c.feed.send(packet) {", New: "\tif !c.feed.send(packet) {",
	},
	{
		Name: "gateway: a lost feed starts nothing anew", Why: "the bridge's word of before its restart counts for what it has not sent",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestALostFeedAsksAgain"},
		Old: "\tc.fed = false\n\tc.again()\n", New: "\tc.fed = false\n",
	},
	{
		Name: "gateway: any answer of the bridge's counts", Why: "an answer from before a new subscription ends the catch-up",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpWaitsForTheBridgesWord"},
		Old: `if !c.syncing || string(bytes.TrimSuffix(number, []byte("]"))) != strconv.Itoa(c.synced) {`,
		New: `if !c.syncing || string(bytes.TrimSuffix(number, []byte("]"))) == strconv.Itoa(-1) {`,
	},
	{
		Name: "gateway: the question overtakes a subscription", Why: "the bridge says that all is sent before it knows of the subscription",
		File: "bridge/gateway/feed.go", Package: "bridge/gateway", Tests: []string{"TestTheQuestionComesAfterTheSubscriptions"},
		Old: "\t\t\tfor _, p := range f.from(sent) {\n\t\t\t\tif conn.WriteMessage(websocket.TextMessage, p) != nil {\n\t\t\t\t\treturn\n",
		New: "\t\t\tfor _, p := range f.from(sent)[:0] {\n\t\t\t\tif conn.WriteMessage(websocket.TextMessage, p) != nil {\n\t\t\t\t\treturn\n",
	},
	{
		Name: "gateway: a bridge that is behind counts as fresh", Why: "the streams are joined before the bridge has read what was missed",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpWaitsUntilTheBridgeIsFresh"},
		Old: `c.fresh.IsZero() && c.g.opts.Fresh(c.since)`, New: `c.fresh.IsZero()`,
	},
	{
		Name: "gateway: time counts before the feed stands", Why: "the streams are joined although the bridge has sent nothing yet",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestTimeCountsFromTheFeed"},
		Old: `if c.accepted && c.fed && c.fresh.IsZero()`, New: `if c.accepted && c.fresh.IsZero()`,
	},
	{
		Name: "gateway: ChatEngine's events wait for ever", Why: "a bridge that is not ready keeps clients of a healthy ChatEngine dark",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpComesLate"},
		Old: `case c.holding && now.After(c.holdUntil):`, New: `case c.holding && c.connected && now.After(c.giveUp):`,
	},
	{
		Name: "gateway: the bridge's events come before ChatEngine's acceptance", Why: "the client drops events of a session it does not have",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUp"},
		Old: `	case !c.accepted:
		c.early`, New: `	case !c.accepted && c.giveUp.IsZero():
		c.early`,
	},
	{
		Name: "gateway: kept events are told when ChatEngine goes", Why: "they come before what was missed, and the order is wrong",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestTheEndsOfACatchUp"},
		Old: "\t\tc.kept = nil\n\tdefault:", New: "\t\tc.pour(time.Time{})\n\tdefault:",
	},
	{
		Name: "gateway: too much to keep is dropped without a feed", Why: "events that the bridge does not send are lost",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpGivesUp"},
		Old: `if c.keptBytes > maxKept && !c.fed {`, New: `if c.keptBytes > maxKept && c.done {`,
	},
	{
		Name: "gateway: too much to keep ends the order", Why: "live events pass those that the bridge is still to send",
		File: "bridge/gateway/catchup.go", Package: "bridge/gateway", Tests: []string{"TestCatchUpKeepsTheNewest"},
		Old: `if c.keptBytes > maxKept && !c.fed {`, New: `if c.keptBytes > maxKept {`,
	},
	{
		Name: "gateway: states before the bridge's last word are news", Why: "a status goes back after a hand-back",
		File: "bridge/gateway/identity.go", Package: "bridge/gateway", Tests: []string{"TestNews"},
		Old: `if known[f.subject] || spoken && f.at.Before(covered) {`, New: `if spoken && f.at.Before(covered) {`,
	},
	{
		Name: "gateway: a forged mark passes", Why: "a client that pretends to be the gateway is passed over when clients are shed",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestCatchUp"},
		Old: "\tr.Header.Del(CatchUpHeader)\n", New: "",
	},
	{
		Name: "gateway: a hanging ChatEngine keeps its clients", Why: "they hear nothing until their own ping time-out, 45 s later",
		File: "bridge/gateway/gateway.go", Package: "bridge/gateway", Tests: []string{"TestFrozenChatEngine"},
		Old: `if status.State == Local && status.Mode == Auto {`, New: `if status.State == Local && status.Mode == HoldLocal {`,
	},
}
