package mutants

// clusterModel are the flags with which the model finds what it is to find.
var clusterModel = []string{"-cluster.seeds=400"}

// cluster: what several bridges give their clients while Redis and bridges come and go.
var cluster = []Mutant{
	{
		Name: "cluster: a bare XADD", Why: "after a failover of Redis the stream has a hole that nothing tells of",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestAppendComparesFirst", "TestALostTailIsNoHole"},
		Old: "if at ~= ARGV[1] then return at end\n", New: "",
	},
	{
		Name: "cluster: confirmed before it is in Redis", Why: "what a leader had published when it died reaches no other bridge",
		File: "bridge/cluster/leader.go", Package: "bridge/cluster", Tests: []string{"TestModel"}, Args: clusterModel,
		Old: "\tif rest := l.backlog.after(l.cursor, 0); len(rest) > 0 {\n\t\treturn min(l.through, rest[0].id.Commit)\n\t}\n\treturn l.through\n", New: "\treturn 1 << 62\n",
	},
	{
		Name: "cluster: a refused append counts as done", Why: "what Redis lost is never appended again",
		File: "bridge/cluster/leader.go", Package: "bridge/cluster", Tests: []string{"TestModel"}, Args: clusterModel,
		Old: "if want := a.ID; answer != want {", New: "if want := a.ID; false && answer != want {",
	},
	{
		Name: "cluster: an edge does not look for holes", Why: "a bridge that was slower than the trimming skips events in silence",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestAnEdgeThatFellBehindBeginsAnew"},
		Old: "if entry.Prev.After(e.cover) {", New: "if false {",
	},
	{
		Name: "cluster: a replaced leader takes back what is proven", Why: "after it and Redis have gone, edges drop what they have",
		File: "bridge/cluster/scripts.go", Package: "bridge/cluster", Tests: []string{"TestAppendComparesFirst"},
		Old: "then through = f['t'] end", New: "then through = through end",
	},
	{
		Name: "cluster: a beat of before counts as a leader that lives", Why: "a bridge serves what an empty Redis was refilled over",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestABeatOfBeforeIsNoLeader"},
		Old: "s.Joined = s.Joined || e.live && !behind", New: "s.Joined = s.Joined || !behind",
	},
	{
		Name: "cluster: a full Redis counts as a leader that is well", Why: "edges serve nothing new for as long as Redis is full, and look healthy",
		File: "bridge/cluster/edge.go", Package: "bridge/cluster", Tests: []string{"TestAFullRedisIsNoLeader"},
		Old: "if !other && b.Stuck >= beatTimeout {", New: "if false {",
	},
}
