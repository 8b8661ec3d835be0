# The variables in a toolstack's database, as XAPI's xenopsd starts the daemon: the socket of a guard
# lies in its root folder, and is open to its group alone. First boot, reboot, suspend and resume, and
# the boot that an administrator has marked. The toolstack is tests/backend/xapi/peer.py.
. /lib/testbed.sh

mkdir -p /var/lib/varstored /run/toolstack
cp "$KEYS"/*.auth /var/lib/varstored/
guard=/run/toolstack/socket
python3 /test/peer.py --socket $guard --folder /run/toolstack &
within 20 test -e /run/toolstack/listening || fail "the toolstack does not start"

# prepare: what xenopsd makes before it starts the daemon.
prepare() {
  platform secureboot true
  id=$((65536 + DOMAIN))
  root=/var/run/xen/varstored-root-$DOMAIN
  mkdir -p "$root"
  chmod 0750 "$root"
  chown "0:$id" "$root"
  : >"$root/efi-vars-save.dat"
  chmod 0600 "$root/efi-vars-save.dat"
  chown "$id:$id" "$root/efi-vars-save.dat"
  ln $guard "$root/xapi-depriv-socket"
  chown "0:$id" $guard
  chmod 0660 $guard
}

launch() {
  start_daemon \
    --chroot "$root" \
    --depriv \
    --uid "$id" \
    --gid "$id" \
    --backend xapidb \
    --arg socket:/xapi-depriv-socket \
    --pidfile "/var/run/xen/varstored-$DOMAIN.pid" \
    --arg uuid:01234567-89ab-cdef-0123-456789abcdef \
    "$@" \
    --arg save:/efi-vars-save.dat
}

# expect_calls WORD...: what the toolstack was asked since the last time, by the end of each call.
expect_calls() {
  got=$(sed 's/.*[._]//' /run/toolstack/calls | tr '\n' ' ')
  [ "$got" = "${*:+$* }" ] || fail "the calls were '$got', not '$*'"
  : >/run/toolstack/calls
}

create_domain first pvh
prepare
launch
expect_calls "NVRAM DUMMYVM" "v2 DUMMYVM BASE64 yes"
xl unpause "$DOMAIN"
guest <<END
get global:PK                -> SUCCESS 27 file:$KEYS/PK.esl
get global:SecureBoot        -> SUCCESS 6 hex:01
set test:Kept 7 text:kept    -> SUCCESS
set test:Kept 7 text:kept    -> SUCCESS
set test:Volatile 6 text:too -> SUCCESS
END
expect_calls "v2 DUMMYVM BASE64 no"
destroy_domain
stop_daemon

say "the VM is started again, and suspended"
create_domain second pvh
prepare
launch
expect_calls "NVRAM DUMMYVM" "state DUMMYVM"
xl unpause "$DOMAIN"
guest <<END
get global:PK                -> SUCCESS 27 file:$KEYS/PK.esl
get test:Kept                -> SUCCESS 7 text:kept
get test:Volatile            -> NOT_FOUND
set test:Volatile 6 text:new -> SUCCESS
END
destroy_domain
stop_daemon
cp "$root/efi-vars-save.dat" /run/saved

say "and resumed, where the toolstack is not asked"
create_domain third pvh
prepare
cp /run/saved "$root/efi-vars-resume.dat"
chmod 0644 "$root/efi-vars-resume.dat"
launch --resume --arg resume:/efi-vars-resume.dat
expect_calls
xl unpause "$DOMAIN"
guest <<END
get test:Volatile            -> SUCCESS 6 text:new
set test:Kept 7 text:newer   -> SUCCESS
END
expect_calls "v2 DUMMYVM BASE64 no"
destroy_domain
stop_daemon

say "and started once more, with the mark"
echo update_on_boot | tr -d '\n' >/run/toolstack/certificates
create_domain fourth pvh
prepare
launch
expect_calls "NVRAM DUMMYVM" "state DUMMYVM" "v2 DUMMYVM BASE64 yes"
[ "$(cat /run/toolstack/certificates)" = ok ] || fail "the mark is still there"
xl unpause "$DOMAIN"
echo "get test:Kept -> SUCCESS 7 text:newer" | guest
destroy_domain
stop_daemon
