# A vCPU that calls while no daemon runs waits for the next one, which takes over the IOREQ server of
# the one before. It takes over no other server, and none that is in use.
. /lib/testbed.sh

record() {
  xenstore-read "/local/domain/$DOMAIN/varstored-ioserver"
}

create_domain orphan pvh
# Another server of the same domain, such as a device model's; it gets number 0.
start_null_handler 0x200
other=$DAEMON
start_daemon --backend memory --auth-dir "$KEYS" --arg save:/run/saved.vars
xl unpause "$DOMAIN"
echo 'set test:Volatile 6 text:here -> SUCCESS' | guest
server=$(record)

say "nobody starts beside a daemon that serves"
first=$DAEMON
launch_daemon --backend memory --auth-dir "$KEYS"
expect_daemon_end 1 10
grep -q 'another process serves the domain' "$LOG" || fail "it does not say why: $(cat "$LOG")"
DAEMON=$first
echo 'get test:Volatile -> SUCCESS 6 text:here' | guest

mark=/run/varstored/live/$DOMAIN.boot

say "killed over a request while the guest boots: the next one answers it, and the boot goes on"
[ "$(cat "$mark")" = "$(xenstore-read "/local/domain/$DOMAIN/varstored-start")" ] || fail "no mark of boot time"
kill -STOP "$DAEMON"
echo 'get test:Volatile -> timeout' | guest -t 1
kill_daemon
start_daemon --backend memory --auth-dir "$KEYS" --arg save:/run/saved.vars
guest <<'END'
get test:Volatile -> NOT_FOUND
set test:Volatile 6 text:again -> SUCCESS
set test:Kept 7 text:again -> SUCCESS
# What the firmware has locked is not known, so all of it is.
set mor:MemoryOverwriteRequestControl 7 hex:01 -> ACCESS_DENIED
END
[ "$(record)" = "$server" ] || fail "server $(record) instead of $server"

say "killed when the operating system has been started: the next one knows that, or takes it for granted"
[ -s "$mark" ] || fail "the mark of boot time went away too early"
echo 'get test:Kept runtime -> SUCCESS 7 text:again' | guest
[ ! -s "$mark" ] || fail "the mark of boot time outlives the boot"
for _ in 1 2; do
  kill_daemon
  start_daemon --backend memory --auth-dir "$KEYS" --arg save:/run/saved.vars
  echo 'set test:Volatile 6 text:again -> INVALID_PARAMETER' | guest
  [ ! -s "$mark" ] || fail "the mark of boot time came back"
done
echo 'set test:Kept 7 text:again -> SUCCESS' | guest

say "ended with a saved state: nothing is lost in between"
stop_daemon
echo 'set test:Waiting 7 text:asked -> timeout' | guest -t 1
start_daemon --backend memory --auth-dir "$KEYS" --resume --arg resume:/run/saved.vars
guest <<'END'
get test:Kept -> SUCCESS 7 text:again
get test:Waiting -> SUCCESS 7 text:asked
END
[ "$(record)" = "$server" ] || fail "server $(record) instead of $server"

say "killed at any moment, over and over: every call gets an answer, and none is a false one"
echo 'hammer 1000 get global:PK -> well-formed' | guest -t 60 &
calls=$!
for _ in 1 2 3 4 5 6 7 8; do
  sleep 0.1  # some calls are served
  kill_daemon
  start_daemon --backend memory --auth-dir "$KEYS"
done
wait $calls
[ "$(record)" = "$server" ] || fail "server $(record) instead of $server"

say "a number in xenstore that is not true leads to nobody else's server"
for number in 0 7 65536 one; do
  kill_daemon
  xenstore-write "/local/domain/$DOMAIN/varstored-ioserver" "$number"
  start_daemon --backend memory --auth-dir "$KEYS"
  guest <<'END'
get global:PK -> SUCCESS 27 file:/usr/local/lib/keys/PK.esl
in 0x200 4    -> 0
END
done
kill -0 "$other"

say "a start that fails leaves no server behind: the next one gets the number, and nobody waits"
create_domain failing pvh
for _ in 1 2 3 4 5 6 7 8 9; do
  launch_daemon --backend memory --arg init:/run/absent --auth-dir "$KEYS"
  expect_daemon_end 1 10
done
xl unpause "$DOMAIN"
echo 'get global:PK -> unanswered' | guest
start_daemon --backend memory --auth-dir "$KEYS"
[ "$(record)" = 0 ] || fail "server $(record) instead of 0"
echo "get global:PK -> SUCCESS 27 file:$KEYS/PK.esl" | guest

say "a mark of another start of the VM is none"
[ -s "/run/varstored/live/$DOMAIN.boot" ] || fail "no mark of boot time"
kill_daemon
xenstore-write "/local/domain/$DOMAIN/varstored-start" 00000000000000000000000000000000
start_daemon --backend memory --auth-dir "$KEYS"
echo 'set test:Volatile 6 text:here -> INVALID_PARAMETER' | guest
stop_daemon

say "a daemon without a folder for marks leaves that of the one before, and nobody believes it"
create_domain marked pvh
start_daemon --backend memory --auth-dir "$KEYS"
xl unpause "$DOMAIN"
echo 'set test:Volatile 6 text:here -> SUCCESS' | guest
old_mark=/run/varstored/live/$DOMAIN.boot
kill_daemon
start_daemon --backend memory --auth-dir "$KEYS" --live no
echo 'get test:Kept runtime -> NOT_FOUND' | guest
[ -s "$old_mark" ] || fail "the old mark is not there: this tests nothing"
kill_daemon
start_daemon --backend memory --auth-dir "$KEYS"
echo 'set test:Volatile 6 text:again -> INVALID_PARAMETER' | guest
stop_daemon
