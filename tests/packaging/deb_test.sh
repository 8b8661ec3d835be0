#!/bin/sh
# The .deb is installed, upgraded under a daemon that runs, removed and purged, in a Debian of its own:
# usage: deb_test.sh SOURCE_FOLDER BUILD_FOLDER
set -eu

. "$(dirname "$0")/support.sh"
need_root
need_debian
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; rm -rf "$work"' EXIT
root=$work/debian
cp -a "$build/packaging/debian" "$root"
cp "$packages"/*.deb "$root/"

# in_root COMMAND...: there; what it says is in $work/out.
in_root() {
  chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" >"$work/out" 2>&1 || {
    cat "$work/out"
    fail "$*"
  }
}

# mode PATH MODE
mode() {
  [ "$(stat -c '%a %U:%G' "$root$1")" = "$2 root:root" ] || fail "$1: $(stat -c '%a %U:%G' "$root$1")"
}

# An older version of the same package. Its daemon is the one behind a socket, because the real one
# needs a hypervisor: the same code but for the door, as the same file of the same package.
old=$work/old
dpkg-deb -R "$packages"/varstored_*.deb "$old"
sed -i 's/^Version: .*/Version: 0.9-1/' "$old/DEBIAN/control"
strip -o "$old/usr/sbin/varstored" "$build/bin/varstored-loopback"
echo '# a line of the older version' >>"$old/etc/varstored.conf"
rm "$old/DEBIAN/md5sums"
dpkg-deb -b "$old" "$root/old.deb" >/dev/null
in_root dpkg -i /old.deb

# Without XAPI the folder of the VMs is one; what an administrator writes is kept from here on.
[ "$(stat -c %F "$root/var/lib/varstored")" = directory ] || fail "/var/lib/varstored is no folder"
mkdir -m 0700 "$root/var/lib/varstored/vm"
echo 'log-level = warning' >>"$root/etc/varstored.conf"

chroot "$root" /usr/sbin/varstored --listen /run/guest --backend sqlite --arg path:/var/lib/varstored/vm/vm.db \
  --config /etc/varstored.conf >"$work/log" 2>&1 &
daemon=$!
until [ -S "$root/run/guest" ]; do
  kill -0 "$daemon" 2>/dev/null || { daemon=; fail "the daemon does not start: $(cat "$work/log")"; }
done
guid=11111111-2222-3333-4444-555555555555
call() {
  "$build/bin/varstored-loopback-call" "$root/run/guest" "$@"
}
echo before >"$work/before"
call set $guid Before 7 "$work/before" || fail "the guest cannot write"

# The upgrade, under it.
for package in "$packages"/*.deb; do
  in_root dpkg --force-confold -i "/${package##*/}"
done
[ "$(chroot "$root" /usr/sbin/varstored --version)" = "varstored 1.0.0" ] || fail "the new one is not there"
case $(readlink "/proc/$daemon/exe") in
  *deleted*) ;;
  *) fail "the file of the running daemon was not replaced" ;;
esac
[ "$(call get $guid Before)" = before ] || fail "the guest cannot read after the upgrade"
call set $guid After 7 "$work/before" || fail "the guest cannot write after the upgrade"
kill "$daemon"
wait "$daemon" || fail "the daemon ends with $?"
daemon=
grep -q '^log-level = warning$' "$root/etc/varstored.conf" || fail "the change of the configuration is lost"
in_root varstore-get /var/lib/varstored/vm/vm.db $guid After
in_root dpkg --audit
[ ! -s "$work/out" ] || fail "dpkg --audit: $(cat "$work/out")"

# Where the toolstack looks, and as the toolstack needs it.
for file in /usr/sbin/varstored /usr/sbin/varstored-dm /usr/sbin/varstored-attach /usr/bin/varstore /usr/bin/varstore-ls \
  /usr/bin/varstore-get /usr/bin/varstore-set /usr/bin/varstore-rm /usr/bin/varstore-sb-state \
  /usr/bin/varstore-nvram-certcheck /usr/bin/varstore-authfile-certcheck /usr/bin/varstore-inspect \
  /usr/bin/varstore-repair /usr/bin/varstore-convert /opt/xensource/libexec/create-auth /usr/share/varstored \
  /usr/share/doc/varstored/examples/with-vdi; do
  mode "$file" 755
done
for file in /etc/varstored.conf /usr/lib/systemd/system/varstored@.service \
  /usr/lib/systemd/system/varstored-metrics.service /usr/lib/systemd/system/varstored-metrics.timer \
  /usr/share/doc/varstored/examples/alerts.yml /usr/share/doc/varstored/examples/dashboard.json \
  /usr/share/man/man8/varstored.8.gz \
  /usr/share/bash-completion/completions/varstore /usr/share/bash-completion/completions/varstore-edit \
  /usr/share/bash-completion/completions/varstore-keys /usr/share/man/man1/varstore-keys.1.gz \
  /usr/share/bash-completion/completions/varstore-ls \
  /usr/share/doc/varstored/tools/varstore-inspect.schema.json \
  /usr/share/doc/varstored/tools/varstore-inspect-history.schema.json \
  /usr/share/doc/varstored/tools/varstore-inspect-pool.schema.json; do
  mode "$file" 644
done
for page in boot-and-tpm documents findings firmware glossary keys packaging troubleshooting tools/varstore-repair; do
  mode "/usr/share/doc/varstored/${page}.md" 644
done

# Removed: the programs go, all that an administrator has stays.
in_root dpkg -r varstored varstored-tools
[ ! -e "$root/usr/sbin/varstored" ] || fail "the daemon is still there"
[ ! -e "$root/opt/xensource" ] || fail "create-auth left its folder"
grep -q '^log-level = warning$' "$root/etc/varstored.conf" || fail "the configuration went with the removal"
[ -s "$root/var/lib/varstored/vm/vm.db" ] || fail "a VM's variables went with the removal"

# Purged: the configuration goes, the variables of VMs never do.
in_root dpkg -P varstored varstored-tools
[ ! -e "$root/etc/varstored.conf" ] || fail "the configuration is still there"
[ -s "$root/var/lib/varstored/vm/vm.db" ] || fail "a VM's variables went with the purge"
rm -r "$root/var/lib/varstored"

# With XAPI the folder is a link to the default keys, which goes when there is nothing behind it.
mkdir -p "$root/opt/xensource/bin"
: >"$root/opt/xensource/bin/xapi"
in_root dpkg -i "/$(basename "$packages"/varstored_*.deb)"
[ "$(readlink "$root/var/lib/varstored")" = /usr/share/varstored ] || fail "/var/lib/varstored is no link"
in_root dpkg -P varstored
[ ! -L "$root/var/lib/varstored" ] || fail "the link is still there"

# An administrator's link stays, also while nothing is mounted behind it.
ln -s /mnt/store/varstored "$root/var/lib/varstored"
in_root dpkg -i "/$(basename "$packages"/varstored_*.deb)"
in_root dpkg -P varstored
[ "$(readlink "$root/var/lib/varstored")" = /mnt/store/varstored ] || fail "the administrator's link is gone"
echo "installed, upgraded under a daemon that went on, removed and purged"
