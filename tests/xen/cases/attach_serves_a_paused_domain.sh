# varstored-attach: a paused domain, with or without a device model, is served when it returns; named
# by number, name or UUID.
. /lib/testbed.sh

create_domain first pvh
uuid=$(xenstore-read "/local/domain/$DOMAIN/vm")
uuid=${uuid#/vm/}
folder=/var/lib/varstored/$uuid

attached() {
  DAEMON=$(xenstore-read "/local/domain/$DOMAIN/varstored-pid") || fail "not ready"
  kill -0 "$DAEMON" || fail "varstored has ended"
}

# Through a pipe, which must not stay open for the daemon: this would wait for its end.
said=$(varstored-attach first -- --auth-dir "$KEYS" 2>&1) || fail "$said"
attached
xl unpause "$DOMAIN"
guest <<END
get global:SecureBoot       -> SUCCESS 6 hex:01
set test:Kept 7 text:kept   -> SUCCESS
set test:Volatile 6 text:lost -> SUCCESS
END

say "a domain that is served is left alone"
if said=$(varstored-attach "$uuid" 2>&1); then fail "attached twice"; fi
echo "$said" | grep -q "served already, as domain $DOMAIN, by varstored with process id $DAEMON" ||
  fail "it does not say why: $said"
echo 'get test:Volatile -> SUCCESS 6 text:lost' | guest

say "killed: the guest goes on with what the store has"
kill -KILL "$DAEMON"
within 5 daemon_ended
varstored-attach "$DOMAIN" -- --auth-dir "$KEYS"
attached
guest <<END
get test:Kept               -> SUCCESS 7 text:kept
get test:Volatile           -> NOT_FOUND
# It was in its firmware, and goes on there.
set test:Volatile 6 text:kept -> SUCCESS
set test:Later 7 text:kept  -> SUCCESS
END

say "ended and resumed, as for a new version of it: the guest does not notice"
kill -TERM "$DAEMON"
within 5 daemon_ended
[ -s "$folder/state" ] || fail "nothing was saved"
varstored-attach --resume "$DOMAIN"
attached
echo 'get test:Later -> SUCCESS 7 text:kept' | guest
destroy_domain

say "the next domain of this VM has a state to resume, and boots"
within 15 [ -s "$folder/state" ] || fail "nothing was saved"
xl create -p -e -q "$config"
DOMAIN=$(xl domid first)
varstored-attach --secure-boot no "$uuid"
attached
xl unpause "$DOMAIN"
guest <<END
get test:Kept               -> SUCCESS 7 text:kept
get test:Volatile           -> NOT_FOUND
get global:SecureBoot       -> SUCCESS 6 hex:00
END

say "another backend"
create_domain second hvm
varstored-attach second -- --backend memory --auth-dir "$KEYS"
attached
xl unpause "$DOMAIN"
echo "get global:PK -> SUCCESS 27 file:$KEYS/PK.esl" | guest

say "mistakes"
refuses() {
  status=$1 pattern=$2 result=0
  shift 2
  said=$("$@" 2>&1) || result=$?
  [ $result = "$status" ] || fail "exit status $result: $*"
  echo "$said" | grep -q "$pattern" || fail "it does not say '$pattern' but '$said'"
  say "$said"
}
refuses 2 'no domain is named' varstored-attach
refuses 1 "there is no domain 'absent'" varstored-attach absent
refuses 1 'there is no domain 999' varstored-attach 999
create_domain third pvh
refuses 1 'has ended before it was ready' varstored-attach third -- --backend memory --arg init:/absent
echo "$said" | grep -q '/absent' || fail "it does not show what varstored says: $said"
