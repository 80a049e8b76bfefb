# Runs as a service of the systemd of stage.sh; each line of output is checked.
main() { systemctl show -p MainPID --value bridge; }
systemctl start bridge.socket bridge.service && echo "started" || { systemctl status --no-pager -l bridge >&2; exit 1; }
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$(main)/status" | tr '\t' ' '
bridge healthcheck
systemctl show bridge -p StatusText
systemctl reload bridge && echo "reloaded"
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
