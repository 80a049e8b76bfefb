package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/internal/recv"
)

// Trouble is an error of Redis, or of the way there, with what is wrong and what to do. Its
// text is what is wrong, and the server's or the system's own words.
type Trouble struct {
	// What says what is wrong, and Remedy what to do about it.
	What, Remedy string
	// Text is the error's own, without the place in a script.
	Text string
	err  error
	// missing is the right that the user does not have, nil for another error.
	missing *right
}

// right is one that a user lacks.
type right struct {
	user string
	// may says what it is for, such as run XTRIM, and grant is it for ACL SETUSER.
	may, grant string
}

// Error implements error.
func (t *Trouble) Error() string { return t.What + " (" + t.Text + ")" }

// Unwrap returns the error as it came.
func (t *Trouble) Unwrap() error { return t.err }

// Remedy returns what to do about an error of this package. It is never empty for an error.
func Remedy(err error) string {
	var t *Trouble
	var version *VersionError
	var remedy interface{ Remedy() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &t):
		return t.Remedy
	case errors.As(err, &remedy):
		return remedy.Remedy()
	case errors.As(err, &version):
		return remedyVersion
	}
	return "see that no other program writes keys of this cluster.name; to have them written anew, delete them: redis-cli --scan --pattern 'bridge:{NAME}:*' | xargs redis-cli DEL"
}

// remedyLost is of what Redis does not hold any more.
const remedyLost = "if Redis was not restarted and has not failed over: CONFIG SET maxmemory-policy noeviction (INFO stats: evicted_keys), and nobody runs FLUSHALL or DEL there"

// errNoLeader: the edge's connection works, and no leader's beats arrive.
var errNoLeader = &remedied{
	"no leader has been heard of for " + beatTimeout.String(),
	"see that a bridge with this cluster.name and without cluster.role: edge runs, and in its /readyz why it does not lead: one of them has to read the database",
}

// Elsewhere is the error of an edge that hears no leader although the database shows that a
// bridge of its cluster, as host and process, has the slot.
func Elsewhere(bridge string) error {
	return &remedied{
		"the bridge " + bridge + " of this cluster has the slot, and is not heard on this Redis: it uses another server or another database number (cluster.redis_url), or cannot write there",
		"give all bridges of the cluster the same cluster.redis_url, of a server that takes writes; if that bridge has it, see cluster.error in its /status, or that it still lives",
	}
}

// DatabaseNumber is the number of Redis' database that an address names, 0 for none.
func DatabaseNumber(address string) int { return serverOf(address).database }

// errStuck is that of an edge whose leader cannot append.
func errStuck(b *Beat) error {
	return &remedied{
		fmt.Sprintf("the leader %s has not been able to append to Redis for %s", b.Leader, b.Stuck.Round(time.Second)),
		"what cluster.remedy in /status of that leader says; `bridge check` on this host tries the same",
	}
}

const remedyVersion = "run the same version of the bridge on all nodes of the cluster; if all do, two clusters share cluster.name: give each a name of its own"

// remedies are those that were logged.
type remedies map[string]bool

// add adds one, and reports whether it is new; "" is none.
func (r *remedies) add(remedy string) bool {
	if remedy == "" || (*r)[remedy] {
		return false
	}
	if *r == nil {
		*r = make(remedies)
	}
	(*r)[remedy] = true
	return true
}

// IsFull tells whether Redis refused something because it is full.
func IsFull(err error) bool {
	return err != nil && strings.Contains(err.Error(), "OOM command not allowed")
}

// remedied is an error of this package that knows its remedy.
type remedied struct{ text, remedy string }

func (e *remedied) Error() string  { return e.text }
func (e *remedied) Remedy() string { return e.remedy }

// troubles gives each error of a client its remedy: a hook of the library.
type troubles struct{ at server }

// server is the part of the configuration that remedies depend on.
type server struct {
	user             string // "default" where the address names none
	sentinel, secure bool
	database         int
}

// serverOf returns what an address says.
func serverOf(address string) server {
	s := server{user: "default"}
	u, err := url.Parse(address)
	if err != nil {
		return s
	}
	s.secure = u.Scheme == "rediss"
	s.database, _ = strconv.Atoi(strings.Trim(u.Path, "/"))
	if db := u.Query().Get("db"); db != "" {
		s.database, _ = strconv.Atoi(db)
	}
	s.sentinel = u.Query().Get("master_name") != ""
	user, _ := credentialsOf(u)
	s.user = cmp.Or(user, s.user)
	return s
}

// watch adds remedies to a client's errors.
func (s server) watch(c redis.UniversalClient) { c.AddHook(troubles{s}) }

// DialHook implements redis.Hook.
func (troubles) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
			return &closingConn{Prompt: recv.NewPrompt(tcp)}, nil
		}
		return conn, err
	}
}

// ProcessPipelineHook implements redis.Hook. The bridge has no pipelines of its own.
func (troubles) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (h troubles) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if told := h.at.explain(err, askedBy(cmd.Args())); told != err {
			cmd.SetErr(told)
			return told
		}
		return err
	}
}

// asked is the command that failed.
type asked struct {
	command        string
	keys, channels []string
}

// askedBy parses a command.
func askedBy(args []any) (a asked) {
	text := func(i int) string {
		if i < len(args) {
			return fmt.Sprint(args[i])
		}
		return ""
	}
	a.command = strings.ToLower(text(0))
	switch a.command {
	case "eval", "evalsha":
		n, _ := strconv.Atoi(text(2))
		for i := range n {
			a.keys = append(a.keys, text(3+i))
		}
	case "xread":
		for i := range args {
			if strings.EqualFold(text(i), "streams") {
				rest := len(args) - i - 1
				for k := range rest / 2 {
					a.keys = append(a.keys, text(i+1+k))
				}
				break
			}
		}
	case "publish", "subscribe":
		a.channels = []string{text(1)}
	case "ping", "info", "hello", "auth", "select", "client":
	default:
		a.keys = []string{text(1)}
	}
	return a
}

// explain returns an error with its remedy. What is none, as that there is nothing, and the
// end of a context stay as they are.
func (s server) explain(err error, a asked) error {
	// One that only has redis.Nil inside is Sentinel's, which knows no such master.
	if err == nil || err == redis.Nil || errors.Is(err, context.Canceled) || redis.HasErrorPrefix(err, "NOSCRIPT") {
		return err
	}
	if errors.Is(err, redis.ErrClosed) || errors.As(err, new(*Trouble)) {
		return err
	}
	text := err.Error()
	if strings.Contains(text, "sentinels specified in configuration are unreachable") {
		what, remedy := sentinelTrouble(text)
		return &Trouble{What: what, Remedy: remedy, Text: text, err: errors.New(text)}
	}
	var answer redis.Error
	if errors.As(err, &answer) {
		text = answer.Error()
		t := s.answered(text, a)
		text, _, _ = strings.Cut(text, " script: ")
		t.Text, t.err = strings.TrimSuffix(text, "."), err
		return t
	}
	var closing *closingError
	if errors.As(err, &closing) {
		t := s.answered(closing.text, a)
		t.Text, t.err = closing.text, err
		return t
	}
	what, remedy := s.unreachable(err)
	return &Trouble{What: what, Remedy: remedy, Text: text, err: err}
}

// sentinelTrouble is of an error of Sentinel, which comes as text.
func sentinelTrouble(text string) (what, remedy string) {
	switch {
	case strings.Contains(text, "redis: nil"):
		return "Sentinel knows no master of that name", "master_name in cluster.redis_url: the NAME of the line `sentinel monitor NAME …` in sentinel.conf"
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "without any password"):
		return "Sentinel does not take the user or the password", "user and password before the @ of cluster.redis_url are for Sentinel (requirepass or ACL of sentinel.conf), those for Redis are ?username=…&password=…"
	case strings.Contains(text, "NOPERM"):
		return "Sentinel's user lacks a right", "at each Sentinel: ACL SETUSER USER " + SentinelRights
	}
	return "no Sentinel answers", "see that Sentinel runs at host and port of cluster.redis_url (usually 26379), and name the others as addr=host:26379"
}

// inScript finds the script and the line that an error of Redis 7 or 6 names.
var inScript = regexp.MustCompile(`(?:script: ([0-9a-f]{40}), on @user_script:(\d+))|(?:call to f_([0-9a-f]{40})\): @user_script: ?(\d+):)`)

// innerError is the error of a command in a script of Redis 6.
var innerError = regexp.MustCompile(`@user_script: ?\d+: -?(.*)$`)

var callInScript = regexp.MustCompile(`redis\.call\('(\w+)', ?(KEYS\[(\d+)\])?`)

// within returns which commands of a script an error is of, and their keys, where it is of
// one.
func (a asked) within(text string) asked {
	m := inScript.FindStringSubmatch(text)
	if m == nil {
		return a
	}
	line, _ := strconv.Atoi(m[2] + m[4])
	lines := strings.Split(scriptTexts[m[1]+m[3]], "\n")
	if line < 1 || line > len(lines) {
		return a
	}
	calls := callInScript.FindAllStringSubmatch(lines[line-1], -1)
	if len(calls) == 0 {
		return a
	}
	var names, keys []string
	for _, c := range calls {
		names = append(names, strings.ToLower(c[1]))
		if i, err := strconv.Atoi(c[3]); err == nil && i >= 1 && i <= len(a.keys) {
			keys = append(keys, a.keys[i-1])
		}
	}
	a.command = strings.Join(names, " +")
	if len(keys) > 0 {
		a.keys = keys
	}
	return a
}

var namedCommand = regexp.MustCompile(`'([a-z]+(?:\|[a-z]+)?)' command`)

// answered is of an error that Redis answered.
func (s server) answered(text string, a asked) *Trouble {
	a = a.within(text)
	if m := innerError.FindStringSubmatch(text); m != nil && !strings.HasPrefix(text, "NOPERM") {
		text = strings.TrimSpace(m[1])
	}
	code, _, _ := strings.Cut(text, " ")
	switch {
	case code == "NOPERM", strings.Contains(text, "The user executing the script can't"), strings.Contains(text, "ACL failure in script"):
		return missingRights(s.missingRight(text, a))
	case code == "WRONGTYPE":
		return &Trouble{
			What: "the key " + strings.Join(a.keys, " or ") + " is not what the bridge keeps there: something else has written it",
			Remedy: "redis-cli DEL " + strings.Join(a.keys, " ") +
				"; the bridges write it again. If another program uses it, give the cluster another cluster.name or a Redis of its own",
		}
	case code == "READONLY" && s.sentinel:
		return &Trouble{What: "the server is a replica", Remedy: "a failover goes on, which the bridge waits for; if it stays: redis-cli -p 26379 SENTINEL get-master-addr-by-name NAME, and ROLE at that server"}
	case code == "BUSY" && !strings.Contains(text, "script"):
		code = "BUSYMODULE"
	case code == "MISCONF" && strings.Contains(text, "AOF"):
		code = "MISCONFAOF"
	}
	if t, ok := answers[code]; ok {
		return &Trouble{What: t.what, Remedy: t.remedy}
	}
	for _, t := range errAnswers {
		if strings.Contains(text, t.code) {
			return &Trouble{What: fill(t.what, a, s), Remedy: fill(t.remedy, a, s)}
		}
	}
	return &Trouble{
		What:   "Redis refuses what the bridge does (" + strings.ToUpper(a.command) + ")",
		Remedy: "Redis 6.2 or later, or Valkey, without what renames or replaces commands between it and the bridge; `bridge check` tries each",
	}
}

func fill(text string, a asked, s server) string {
	return strings.NewReplacer("COMMAND", strings.ToUpper(a.command), "DATABASE", strconv.Itoa(s.database)).Replace(text)
}

// missingRight returns the right that the user does not have: for commands, a key or a channel.
func (s server) missingRight(text string, a asked) right {
	switch {
	case strings.Contains(text, "channel"):
		return right{s.user, "use the channel " + strings.Join(a.channels, " or "), "&bridge:*"}
	case strings.Contains(text, " key"):
		return right{s.user, "use the key " + strings.Join(a.keys, " or "), "~bridge:*"}
	}
	command := a.command
	if m := namedCommand.FindStringSubmatch(text); m != nil {
		command = m[1]
	}
	if command == "client" { // Redis 6 does not say which
		command = "client|setname"
	}
	return right{s.user, "run " + strings.ToUpper(strings.ReplaceAll(command, " +", " or ")), "+" + command}
}

// missingRights returns the Trouble of rights that one user does not have.
func missingRights(rights ...right) *Trouble {
	var may, grants []string
	for _, r := range rights {
		may, grants = append(may, r.may), append(grants, r.grant)
	}
	user := rights[0].user
	t := &Trouble{
		What: "the user " + user + " may not " + strings.ReplaceAll(strings.Join(may, ", "), ", run ", ", "),
		Remedy: "ACL SETUSER " + user + " " + strings.Join(grants, " ") + "; to keep it: ACL SAVE (aclfile) or CONFIG REWRITE. " +
			"All that the bridge needs: ACL SETUSER " + user + " " + Rights,
	}
	if len(rights) == 1 {
		t.missing = &rights[0]
	}
	return t
}

// unreachable is of an error of the way to Redis.
func (s server) unreachable(err error) (what, remedy string) {
	where := "host and port of cluster.redis_url"
	if s.sentinel {
		where = "the address that Sentinel tells (SENTINEL get-master-addr-by-name NAME; `sentinel announce-ip` and `replica-announce-ip` set it)"
	}
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &authority):
		return "the authority of Redis' certificate is not known here", "put the authority's certificate (ca.crt of Redis' tls-ca-cert-file) into the system's store (update-ca-certificates), or name it in SSL_CERT_FILE of the bridge's environment"
	case errors.As(err, &name):
		return "Redis' certificate is for another name", "in cluster.redis_url the name that the certificate has, or a certificate for the name there"
	case errors.As(err, &invalid):
		return "Redis' certificate is not valid", "renew the certificate of Redis (tls-cert-file), and look at the clocks of both machines"
	case errors.As(err, &record):
		return "the port does not speak TLS", "redis:// in cluster.redis_url, or Redis' tls-port"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return "Redis refuses the TLS connection", "the bridge shows no certificate of its own and speaks TLS 1.2 and 1.3: `tls-auth-clients no` and `tls-protocols \"TLSv1.2 TLSv1.3\"` at Redis"
	case errors.As(err, &dns):
		return "the name of Redis' host is not known", "correct " + where + ", or the name in DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there", "start Redis, or correct " + where + "; a Redis that listens at 127.0.0.1 only: `bind` and `port` of redis.conf"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to Redis' host", "look at the network and its routes, or correct " + where
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		if s.secure {
			return "Redis has closed the connection", "see that Redis runs; if it does, the port may be one without TLS: redis:// in cluster.redis_url, or Redis' tls-port"
		}
		return "Redis has closed the connection", "see that Redis runs; if it does, the port may be Redis' tls-port: rediss:// in cluster.redis_url"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		right := where + " is right"
		if s.secure {
			right += " and a tls-port; of one without TLS the address is redis:// in cluster.redis_url"
		}
		return "Redis does not answer in time", "see that Redis runs and is not stalled (redis-cli --latency, SLOWLOG GET), that nothing drops the packets between (a firewall), and that " + right
	case strings.Contains(err.Error(), "can't parse"), strings.Contains(err.Error(), "invalid reply"):
		return "what answers is no Redis", "correct " + where + "; where the port is Redis' tls-port: rediss:// in cluster.redis_url"
	case strings.Contains(err.Error(), "pool timeout"):
		return "all connections to Redis are in use", "see that Redis is not stalled: redis-cli --latency, SLOWLOG GET"
	}
	return "Redis cannot be reached", "see that Redis runs, and that " + where + " is right"
}
