# Runs as a service of the systemd of stage.sh; each line of output is checked.
main() { systemctl show -p MainPID --value bridge; }
systemctl start bridge.socket bridge.service && echo "started" || { systemctl status --no-pager -l bridge >&2; exit 1; }
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$(main)/status" | tr '\t' ' '
bridge healthcheck
systemctl show bridge -p StatusText
systemctl reload bridge && echo "reloaded"
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
