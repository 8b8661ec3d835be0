# Root looks into a VM while it works: with the daemon as xenopsd starts it, whose root folder and user
# are others than the host's. The guest does not notice, and after the daemon's end the tools say so.
. /lib/testbed.sh

# tells WORDS COMMAND...: the command succeeds, and these words are in what it says.
tells() {
  words=$1
  shift
  "$@" >/run/told || fail "$*: exit status $?"
  grep -q -e "$words" /run/told || { cat /run/told; fail "$*: no '$words'"; }
}

# refuses WORDS COMMAND...: the command fails with one line that has these words.
refuses() {
  words=$1
  shift
  if "$@" >/run/told 2>&1; then fail "$* succeeded"; fi
  grep -q -e "$words" /run/told || { cat /run/told; fail "$*: no '$words'"; }
  [ "$(wc -l </run/told)" = 1 ] || fail "$*: not one line"
}

create_domain first pvh
platform secureboot true
id=$((65536 + DOMAIN))
root=/var/run/xen/varstored-root-$DOMAIN
uuid=$(xenstore-read "/local/domain/$DOMAIN/vm")
uuid=${uuid#/vm/}
mkdir -p "$root"
refuses 'no socket of a running VM' varstore-ls --live "$DOMAIN"
start_daemon --chroot "$root" --depriv --uid "$id" --gid "$id" --backend memory \
  --arg socket:/xapi-depriv-socket --arg "uuid:$uuid" --auth-dir "$KEYS"
socket=/run/varstored/live/$DOMAIN.$uuid
[ "$(stat -c '%u %a' "$socket")" = '0 600' ] || fail "the socket is $(stat -c '%u %a' "$socket")"
[ "$(stat -c '%u %a' /run/varstored/live)" = '0 700' ] || fail "the folder is open to others"

tells ' PK$' varstore-ls --live "$DOMAIN"
tells 'Last error *none' varstore-inspect --live "$uuid"

xl unpause "$DOMAIN"
guest -q <<'END' &
repeat 1499 set test:Busy 7 text:busy -> SUCCESS
END
busy=$!
looks=0
while kill -0 "$busy" 2>/dev/null; do
  tells ' SecureBoot$' varstore-ls --live "$uuid"
  tells "Domain *$DOMAIN, VM $uuid" varstore-inspect --live "$DOMAIN"
  looks=$((looks + 1))
done
wait "$busy" || fail "the guest noticed"
[ "$looks" -ge 2 ] || fail "the guest worked for only $looks looks"
say "the guest made 1500 calls, root looked $looks times"

guest <<'END'
set test:Volatile 6 text:there        -> SUCCESS
set test:Bad 40000007 text:bad        -> INVALID_PARAMETER
END
tells ' Volatile$' varstore-ls --live "$DOMAIN"
tells 'SetVariable *1 Invalid Parameter, 1501 Success' varstore-inspect --live "$DOMAIN"
tells 'Last error *SetVariable of Bad .*' varstore-inspect --live "$DOMAIN"
tells '"call":"SetVariable","reason":"unknown-attributes"' varstore-inspect --json --live "$DOMAIN"

destroy_domain
stop_daemon
refuses "$socket: the VM's varstored has ended" varstore-ls --live "$uuid"
refuses "$socket: the VM's varstored has ended" varstore-inspect --live "$DOMAIN"

say "the next daemon removes the socket"
create_domain second pvh
start_daemon --backend memory --auth-dir "$KEYS"
[ ! -e "$socket" ] || fail "$socket is still there"
tells ' PK$' varstore-ls --live "$DOMAIN"
stop_daemon
