# A guest whose two vCPUs change variables as fast as they can reaches the toolstack no more often than a
# VM may: 100 calls at once and 2 a second. What is refused, or changes nothing, or is volatile, does not
# reach it at all. An honest call is answered as ever. The toolstack is tests/backend/xapi/peer.py.
. /lib/testbed.sh

mkdir -p /run/toolstack
python3 /test/peer.py --socket /run/toolstack/socket --folder /run/toolstack &
within 20 test -e /run/toolstack/listening || fail "the toolstack does not start"

create_domain flood pvh 2
start_daemon --backend xapidb --arg socket:/run/toolstack/socket --auth-dir "$KEYS" \
  --arg uuid:01234567-89ab-cdef-0123-456789abcdef
xl unpause "$DOMAIN"

calls() {
  wc -l </run/toolstack/calls
}
# In hundredths of a second.
now() {
  cut -d ' ' -f 1 /proc/uptime | tr -d .
}
# presence_bytes COUNT: so many changes of a byte of the physical presence interface.
presence_bytes() {
  echo "out 0x104 4 0x100 -> done"
  awk -v count="$1" 'BEGIN { while (count-- > 0) print "out 0x108 1 " count % 2 + 1 " -> done" }'
}

say "two vCPUs flood"
before=$(calls) began=$(now)
{
  echo "second start -> done"
  echo "second repeat 0 set test:Second 7 pattern:2000 changing -> SUCCESS"
  echo "repeat 60 set test:First 7 text:first changing -> SUCCESS"
  presence_bytes 10
  echo "second stop -> all alike"
} | guest -t 60
count=$(($(calls) - before)) elapsed=$(($(now) - began))
say "$count calls in $elapsed hundredths of a second"
[ $count -le $((100 + 2 * elapsed / 100)) ] || fail "$count calls are too many"
[ $count -ge 120 ] || fail "$count calls are no flood"

say "an honest call"
guest -t 3 <<'END'
get test:First                             -> SUCCESS 7 *
repeat 200 get test:First                  -> SUCCESS 7 *
set test:Volatile 6 text:honest            -> SUCCESS
set test:Honest 7 text:kept                -> SUCCESS
get test:Honest                            -> SUCCESS 7 text:kept
END

say "what the toolstack never hears of"
before=$(calls)
guest -q -t 60 <<END
repeat 1000 set test:Honest 7 text:kept              -> SUCCESS
repeat 1000 set test:Volatile 6 text:honest changing -> SUCCESS
repeat 200 set security:db 67 file:$KEYS/stranger.auth -> SECURITY_VIOLATION
hammer 1000 set global:SetupMode 6 text:1            -> well-formed
notify                                               -> *
repeat 500 notify                                    -> *
END
count=$(($(calls) - before))
[ $count = 1 ] || fail "$count calls, and not only the alert about the first image that was refused"
tail -n 1 /run/toolstack/calls | grep -q '^message.create VM_SECURE_BOOT_FAILED' ||
  fail "the call was $(tail -n 1 /run/toolstack/calls)"
stop_daemon
