# Runs as a service of the systemd of stage.sh; each line of output is checked.
main() { systemctl show -p MainPID --value bridge; }
# await COMMAND...: until it is true.
await() {
	for i in $(seq 300); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "not within 30 s: $*"
}
# reloads COUNT: the bridge has read its configuration that often, and taken it over.
reloads() { [ "$(grep -c '"event":"reloaded_the_configuration"' /out/bridge.log)" -ge "$1" ]; }
# client PORT TOKEN: how the server takes a client with the token.
client() {
	bridge tail --url "http://127.0.0.1:$1" --token "$2" >/out/client 2>&1 &
	await grep -qE 'connected|token_' /out/client
	grep -oE 'connected|token_[a-z]+' /out/client
	kill $! 2>/dev/null
	wait $!
}
systemctl start bridge.socket bridge.service && echo "started" || { systemctl status --no-pager -l bridge >&2; exit 1; }
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$(main)/status" | tr '\t' ' '
bridge healthcheck
systemctl show bridge -p StatusText
systemctl reload bridge && echo "reloaded"
await reloads 1
# A secret that is changed in its file: a reload has the service use it, and who is
# connected stays.
secret=/etc/chatbridge/chatengine_secret
old=$(bridge token --workspace w)
bridge tail --url http://127.0.0.1:8080 --token "$old" >/out/stays 2>&1 &
stays=$!
await grep -q connected /out/stays
echo 'fedcba9876543210fedcba9876543210' >$secret
new=$(bridge token --workspace w)
client 8080 "$new"
systemctl reload bridge && await reloads 2 && echo "secret changed"
client 8080 "$new"
client 8080 "$old"
# One that is refused: the reload says so, and the last good one stays in use.
: >$secret
systemctl reload bridge || echo "empty secret refused"
rm $secret
systemctl reload bridge || echo "missing secret refused"
client 8080 "$new"
(umask 077 && echo '00112233445566778899aabbccddeeff' >$secret)
systemctl reload bridge && await reloads 3 && client 8080 "$(bridge token --workspace w)"
echo "the client that stayed: $(wc -l </out/stays), $(kill $stays && echo connected)"
stat -L -c '%a %n' /run/chatbridge /run/chatbridge/*
# A reload that is refused says so, and changes nothing.
echo 'nonsense: 1' >>/etc/chatbridge/bridge.yaml
before=$(main)
systemctl reload bridge || echo "reload refused"
[ "$before" = "$(main)" ] && bridge healthcheck --config /dev/null
# Clients that wait at the socket of a bridge that is wrongly configured do not make
# systemd give it up, and get it when it is mended.
systemctl restart bridge || echo "restart refused"
curl -s --max-time 60 http://127.0.0.1:8080/healthz >/out/waited &
waiting=$!
sleep 7
echo "socket $(systemctl is-active bridge.socket)"
systemctl show bridge -p StatusText >&2
sed -i '$d' /etc/chatbridge/bridge.yaml
systemctl restart bridge && wait "$waiting" && grep -c '"status"' /out/waited
before=$(main)
systemctl restart bridge && [ "$before" != "$(main)" ] && echo "restarted"
# A process that hangs gives no sign of life.
hung=$(main)
kill -STOP "$hung"
for i in $(seq 100); do
	[ "$hung" = "$(main)" ] || [ 0 = "$(main)" ] || break
	sleep 0.2
done
systemctl show bridge -p NRestarts
bridge healthcheck
systemctl stop bridge.socket bridge.service && echo "stopped"
systemctl show bridge -p Result -p ExecMainStatus
[ -e /run/chatbridge ] || echo "no copy is left"
# Instances share the configuration file, and have one secret more. Where only they are
# enabled, the commands are as they are configured.
sed -i '/^cluster:/,/^  name:/s/^  name:.*/  name: crm/' /etc/chatbridge/bridge.yaml
systemctl enable --quiet --now bridge@8081 && echo "instance started"
systemctl reload bridge@8081 && await reloads 4 && echo "instance reloaded"
: >/etc/chatbridge/redis_url
systemctl reload bridge@8081 || echo "empty secret of the instance refused"
echo 'redis://:secret@127.0.0.1:1' >/etc/chatbridge/redis_url
bridge check --offline | grep config.valid | cut -d : -f 1
systemctl reload bridge@8081 && await reloads 5 && stat -c %n /run/chatbridge-8081/*
systemctl stop bridge@8081
