package mutants

// recovery: who may have a session back, in the Socket.IO server.
var recovery = []Mutant{
	{
		Name: "recovery: a session is given without asking", Why: "whoever learns a session's id takes it",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestRecovery", "TestRecoveryRefused"},
		Old: `if saved == nil || !asked(validate, saved.data) {`, New: `if saved == nil {`,
	},
	{
		Name: "recovery: a living session is given without asking", Why: "whoever learns a session's id takes it from under its user",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestRecoveryOfHalfOpenConnectionIsValidated"},
		Old: `if !asked(owner, old.data) || !asked(validate, old.data) {`, New: `if false {`,
	},
	{
		Name: "recovery: a session is restored twice", Why: "two sockets share one session, and each lacks what the other got",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestSessionsExpire"},
		Old: "\t\tst.drop(st.byPID[pid])\n", New: "",
	},
	{
		Name: "recovery: a client that left has its session kept", Why: "what it said goodbye to is restored",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestRecoveryRefused"},
		Old: "\tswitch r {\n\tcase engineio.ClientClose,", New: "\tswitch r {\n\tdefault:\n\t\treturn true\n\tcase engineio.ClientClose,",
	},
	{
		Name: "recovery: sessions do not expire", Why: "sessions pile up, and are restored from what the log no longer holds",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestSessionsExpire"},
		Old: `if st.order.Len() <= st.limit && time.Now().Before(e.Value.(*savedSession).expires) {`, New: `if st.order.Len() <= st.limit {`,
	},
	{
		Name: "recovery: sessions are not bounded", Why: "clients that come and go fill the memory",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestSessionsExpire"},
		Old: `if st.order.Len() <= st.limit && time.Now()`, New: `if time.Now()`,
	},
	{
		Name: "recovery: a session of another namespace", Why: "a session is restored where its user has no right",
		File: "socketio/recovery.go", Package: "socketio", Tests: []string{"TestSessionsExpire"},
		Old: `if e == nil || e.Value.(*savedSession).namespace != namespace {`, New: `if e == nil {`,
	},
}
