#!/bin/bash
# Becomes a systemd of its own: runs in new mount, PID, network, UTS, IPC and
# cgroup namespaces, on an overlay of this machine's root from which everything
# that would start is taken out. What is written is gone with the namespaces.
#
#   stage.sh DIR    DIR holds bridge, bridge.service, bridge@.service, bridge.socket,
#                   bridge.yaml and inside.sh; results are written there
set -e
dir=$1
o=$dir/overlay
mkdir "$o"
mount -t tmpfs tmpfs "$o"
mkdir "$o/upper" "$o/work" "$o/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$o/upper,workdir=$o/work" "$o/root"
root=$o/root
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
# All that PrivateDevices= makes copies of.
for node in null zero full random urandom tty; do
	touch "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -p "$root/out"
mount --bind "$dir" "$root/out"
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.requires "$root"/lib/systemd/system/*.wants \
	"$root"/{lib,usr/lib,etc}/systemd/system-generators
install -m 755 "$dir/bridge" "$root/usr/local/bin/bridge"
install -m 644 "$dir/bridge.service" "$dir/bridge@.service" "$dir/bridge.socket" "$root/etc/systemd/system/"
install -d -m 755 "$root/etc/chatbridge" "$root/etc/systemd/system/bridge.service.d" "$root/etc/systemd/system/bridge@.service.d"
install -m 644 "$dir/bridge.yaml" "$root/etc/chatbridge/bridge.yaml"
# Nobody listens there: a bridge serves whether or not its database is up.
(umask 077 && echo 'postgres://bridge:secret@127.0.0.1:1/db' >"$root/etc/chatbridge/database_url")
(umask 077 && echo '0123456789abcdef0123456789abcdef' >"$root/etc/chatbridge/chatengine_secret")
(umask 077 && echo 'redis://127.0.0.1:1' >"$root/etc/chatbridge/redis_url")
cat >"$root/etc/systemd/system/bridge.service.d/test.conf" <<-UNIT
	[Service]
	WatchdogSec=2s
	StandardOutput=append:/out/bridge.log
	StandardError=append:/out/bridge.log
UNIT
cat >"$root/etc/systemd/system/bridge@.service.d/test.conf" <<-UNIT
	[Service]
	StandardOutput=append:/out/bridge.log
	StandardError=append:/out/bridge.log
UNIT
cat >"$root/etc/systemd/system/inside.service" <<-UNIT
	[Unit]
	After=basic.target
	[Service]
	Type=oneshot
	ExecStart=/bin/sh /out/inside.sh
	StandardOutput=file:/out/result
	StandardError=file:/out/errors
	ExecStopPost=/bin/systemctl --force --force poweroff
UNIT
cd "$root"
mkdir old
pivot_root . old
umount -l /old
# Credentials reach a service by propagation.
mount --make-rshared /
exec env -i container=test PATH=/usr/bin:/bin:/usr/sbin:/sbin /lib/systemd/systemd --system --unit=inside.service
