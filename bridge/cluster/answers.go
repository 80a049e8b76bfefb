package cluster

// trouble is what an answer of Redis means, and what to do about it.
type trouble struct{ code, what, remedy string }

const fullDisk = "CONFIG SET save \"\" and CONFIG SET appendonly no, because the bridges need nothing of the disk (CONFIG REWRITE keeps it)"

// answers are Redis' and Valkey's errors by the word that they begin with. Some are never
// caused by a bridge, but by something between it and Redis.
var answers = func() map[string]trouble {
	all := make(map[string]trouble)
	for _, t := range []trouble{
		{"OOM", "Redis is full", "CONFIG SET maxmemory to more (INFO memory has used_memory), remove what others keep there, or lower replay.max_bytes: the bridges keep the window (1.4 times that) and clients' sessions (up to an eighth of it for each bridge); the bridge goes on by itself"},
		{"MISCONF", "Redis refuses writes because its last snapshot (RDB) failed", "free its disk and run BGSAVE, or " + fullDisk + "; or CONFIG SET stop-writes-on-bgsave-error no"},
		{"MISCONFAOF", "Redis refuses writes because it cannot write its append-only file", "free its disk, or " + fullDisk},
		{"NOREPLICAS", "Redis refuses writes because it has fewer replicas than min-replicas-to-write", "start the replicas (INFO replication lists those that follow), or CONFIG SET min-replicas-to-write 0"},
		{"READONLY", "the server is a replica", "in cluster.redis_url the master's address (INFO replication at this server: master_host, master_port), or Sentinel's: " + RedisURL + "; if there is no master any more: REPLICAOF NO ONE"},
		{"MASTERDOWN", "the server is a replica that has lost its master", "in cluster.redis_url the master's address, or Sentinel's; or bring the master back, or run REPLICAOF NO ONE at this one"},
		{"NOMASTERLINK", "the server is a replica that has lost its master", "in cluster.redis_url the master's address, or Sentinel's; or bring the master back"},
		{"REDIRECT", "the server is a replica, or hands over to one", "in cluster.redis_url the primary's address, or Sentinel's"},
		{"LOADING", "Redis reads its data from disk after a start", "wait, INFO persistence has loading_eta_seconds; the bridge goes on by itself. " + fullDisk + " makes the next start quick"},
		{"BUSY", "a script of another program has occupied Redis for longer than busy-reply-threshold (lua-time-limit)", "SCRIPT KILL, or for a function FUNCTION KILL; then give that program, or the bridges, a Redis of its own"},
		{"BUSYMODULE", "a module has occupied Redis", "wait, or look at the module's documentation; then give the bridges a Redis of their own"},
		{"UNKILLABLE", "a script of another program occupies Redis and has written already, so it cannot be killed", "wait until it ends, or SHUTDOWN NOSAVE and start Redis again, which may be empty for the bridges; other programs lose what was not saved"},
		{"NOTBUSY", "something else answers than Redis would", "no proxy between the bridge and Redis"},
		{"NOAUTH", "Redis wants a password", "cluster.redis_url: redis://:PASSWORD@host:6379, or redis://USER:PASSWORD@… for a user of ACL SETUSER; with Sentinel ?username=…&password=…"},
		{"WRONGPASS", "user or password is wrong, or the user is off", "correct them in cluster.redis_url, special characters percent-encoded (@ is %40); at Redis: ACL SETUSER USER on >PASSWORD"},
		{"MOVED", "the server is one of a Redis Cluster and has not this key, and the one that has it is not found", "redis-cli --cluster check HOST:PORT says whether all servers agree; no proxy between the bridge and Redis"},
		{"ASK", "the server is one of a Redis Cluster that moves this key, and the one that has it is not found", "redis-cli --cluster check HOST:PORT says whether all servers agree; no proxy between the bridge and Redis"},
		{"TRYAGAIN", "the server is one of a Redis Cluster that moves these keys", "wait, the bridge goes on by itself; a move that was broken off: redis-cli --cluster fix HOST:PORT"},
		{"CROSSSLOT", "the keys are on several servers of a Redis Cluster", "no proxy that renames keys between the bridge and Redis; the keys of a cluster have its {NAME} in braces"},
		{"CLUSTERDOWN", "the Redis Cluster is down", "redis-cli --cluster check HOST:PORT: bring the missing servers back, or give the free slots to others: redis-cli --cluster fix HOST:PORT"},
		{"INPROG", "a failover goes on", "wait; the bridge goes on by itself"},
		{"UNBLOCKED", "a read was ended at Redis, by a failover or CLIENT UNBLOCK", "wait; the bridge reads on by itself"},
		{"NOPROTO", "the server does not speak the protocol RESP2", "Redis 6.2 or later, or Valkey, and no proxy before it that speaks another protocol"},
		{"DENIED", "Redis runs in protected mode and takes connections of its own host only", "at Redis: a password (requirepass, or ACL SETUSER) and in cluster.redis_url the same; or CONFIG SET protected-mode no where the network is yours"},
		{"IOERR", "a node of Redis cannot reach another one", "look at the network between the nodes of Redis"},
		{"EXECABORT", "a transaction was refused", "no proxy between the bridge and Redis: the bridge has no transactions"},
		{"BUSYKEY", "the key is there already", "no proxy between the bridge and Redis, and a cluster.name of its own for each cluster"},
		{"BUSYGROUP", "the group is there already", "no proxy between the bridge and Redis: the bridge has no groups"},
		{"NOGROUP", "the group is not there", "no proxy between the bridge and Redis: the bridge has no groups"},
		{"NOQUORUM", "too few Sentinels answer for a failover", "start the other Sentinels, or lower the quorum: SENTINEL SET NAME quorum N"},
		{"NOGOODSLAVE", "Sentinel finds no replica to fail over to", "start a replica: REPLICAOF MASTER 6379"},
		{"IDONTKNOW", "Sentinel does not know yet who is the master", "wait; the bridge asks again"},
	} {
		all[t.code] = t
	}
	return all
}()

// errAnswers are the errors that begin with ERR, by a part of their text.
var errAnswers = []trouble{
	{"max number of clients", "Redis has as many connections as it may have", "CONFIG SET maxclients to more (10000 is the default; CLIENT LIST shows whose they are), and a higher limit of open files for Redis (LimitNOFILE)"},
	{"invalid password", "the password is wrong", "correct it in cluster.redis_url, special characters percent-encoded (@ is %40)"},
	{"without any password configured", "Redis has no password, and cluster.redis_url has one", "leave it out there, or set it at Redis: CONFIG SET requirepass PASSWORD, or ACL SETUSER USER on >PASSWORD"},
	{"no password is set", "Redis has no password, and cluster.redis_url has one", "leave it out there, or set it at Redis: CONFIG SET requirepass PASSWORD"},
	{"DB index is out of range", "Redis has no database DATABASE", "the number after the / of cluster.redis_url: 0, or one below `databases` in redis.conf (16 is the default)"},
	{"SELECT is not allowed in cluster mode", "a Redis Cluster has the database 0 only", "nothing, or 0, after the / of cluster.redis_url"},
	{"unknown command", "the server does not know COMMAND", "take `rename-command COMMAND …` out of redis.conf and restart Redis, or let the provider enable it; Redis 6.2 or later, or Valkey, has it"},
	{"unknown subcommand", "the server does not know a form of COMMAND", "Redis 6.2 or later, or Valkey"},
	{"Unknown subcommand", "the server does not know a form of COMMAND", "Redis 6.2 or later, or Valkey"},
	{"Unknown Redis command", "the server does not know COMMAND", "take `rename-command COMMAND …` out of redis.conf and restart Redis, or let the provider enable it"},
	{"This Redis command is not allowed from script", "the server does not allow COMMAND in a script", "Redis 6.2 or later, or Valkey, without what replaces its scripts"},
	{"wrong number of arguments", "the server knows COMMAND otherwise", "Redis 6.2 or later, or Valkey: INFO server has the version"},
	{"syntax error", "the server knows COMMAND otherwise", "Redis 6.2 or later, or Valkey: INFO server has the version"},
	{"Protocol error", "the server does not understand the bridge", "Redis' own port in cluster.redis_url, and no proxy between that changes what is sent; rediss:// where it is the tls-port"},
	{"equal or smaller than the target stream top item", "something else has written to the stream of this cluster", "give each cluster a cluster.name of its own, and nobody else the right to write keys of bridge:*"},
	{"Server closed the connection", "the server has closed the connection", "look at the log of Redis"},
	{"replica can't", "the server is a replica", "in cluster.redis_url the master's address, or Sentinel's"},
	{"instance has cluster support disabled", "the server is no node of a Redis Cluster", "leave what is for a Redis Cluster out of cluster.redis_url"},
	{"Error compiling script", "the server does not run the bridge's scripts", "Redis 6.2 or later, or Valkey, itself: a server that is only like Redis may lack scripts"},
	{"string exceeds maximum allowed size", "what is sent is larger than Redis takes", "CONFIG SET proto-max-bulk-len 512mb, the default"},
}
