# The daemon as XAPI's xenopsd starts it: the folder that it prepares, the whole argument list in its
# order, the end, and the resume. The process has left the host's files, ids and namespaces behind.
. /lib/testbed.sh

mkdir -p /var/lib/varstored
cp "$KEYS"/*.auth /var/lib/varstored/

# prepare: what xenopsd makes before it starts the daemon.
prepare() {
  id=$((65536 + DOMAIN))
  root=/var/run/xen/varstored-root-$DOMAIN
  pidfile=/var/run/xen/varstored-$DOMAIN.pid
  uuid=$(xenstore-read "/local/domain/$DOMAIN/vm")
  uuid=${uuid#/vm/}
  mkdir -p "$root"
  chmod 0750 "$root"
  chown "0:$id" "$root"
  : >"$root/efi-vars-save.dat"
  chmod 0600 "$root/efi-vars-save.dat"
  chown "$id:$id" "$root/efi-vars-save.dat"
}

launch() {
  start_daemon \
    --chroot "$root" \
    --depriv \
    --uid "$id" \
    --gid "$id" \
    --backend memory \
    --arg socket:/xapi-depriv-socket \
    --pidfile "$pidfile" \
    --arg "uuid:$uuid" \
    "$@" \
    --arg save:/efi-vars-save.dat
}

# field NAME: of the process's status.
field() {
  sed -n "s/^$1:[[:space:]]*//p" "/proc/$DAEMON/status" | tr '\t' ' '
}

expect_field() {
  got=$(field "$1")
  [ "$got" = "$2" ] || fail "$1 is '$got', not '$2'"
}

expect_confined() {
  expect_field Uid "$id $id $id $id"
  expect_field Gid "$id $id $id $id"
  [ -z "$(field Groups | tr -d ' ')" ] || fail "it has groups: $(field Groups)"
  expect_field CapEff 0000000000000000
  expect_field CapPrm 0000000000000000
  seen=$(readlink "/proc/$DAEMON/root")
  [ "$seen" = "$(readlink -f "$root")" ] || fail "its root is $seen"
  for namespace in mnt ipc net uts; do
    [ "$(readlink "/proc/$DAEMON/ns/$namespace")" != "$(readlink "/proc/self/ns/$namespace")" ] ||
      fail "it shares the host's $namespace namespace"
  done

  # How xenopsd finds out whether the daemon lives: a lock on the pid file, and the command line.
  [ "$(cat "$pidfile")" = "$DAEMON" ] || fail "the pid file holds '$(cat "$pidfile")'"
  inode=$(stat -c %i "$pidfile")
  grep -q "POSIX .*WRITE $DAEMON .*:$inode " /proc/locks || fail "the pid file is not locked"
  tr '\0' '\n' <"/proc/$DAEMON/cmdline" | grep -qx "$pidfile" || fail "its command line has changed"
  say "the daemon is confined"
}

create_domain first pvh
platform secureboot true
prepare
launch
expect_confined
xl unpause "$DOMAIN"
guest <<END
get global:PK               -> SUCCESS 27 file:$KEYS/PK.esl
get security:dbx            -> SUCCESS 27 file:$KEYS/dbx.esl
get global:SecureBoot       -> SUCCESS 6 hex:01
set test:Kept 7 text:kept   -> SUCCESS
set test:Volatile 6 text:too -> SUCCESS
END
destroy_domain
stop_daemon
[ "$(head -c 4 "$root/efi-vars-save.dat")" = VARS ] || fail "nothing was saved"
[ "$(stat -c '%u %a' "$root/efi-vars-save.dat")" = "$id 600" ] || fail "the save file has changed owner"
cp "$root/efi-vars-save.dat" /run/saved

say "and on the host to which the domain moves"
create_domain second pvh
platform secureboot true
prepare
cp /run/saved "$root/efi-vars-resume.dat"
chmod 0644 "$root/efi-vars-resume.dat"
launch --resume --arg resume:/efi-vars-resume.dat
expect_confined
xl unpause "$DOMAIN"
guest <<END
get test:Kept               -> SUCCESS 7 text:kept
get test:Volatile           -> SUCCESS 6 text:too
get global:SecureBoot       -> SUCCESS 6 hex:01
END
stop_daemon
