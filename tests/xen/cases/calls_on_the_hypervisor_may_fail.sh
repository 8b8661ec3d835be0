# Every system call of the daemon's on the hypervisor's devices and on xenstore fails once: those of its
# start, and those of a request. What comes of it is the section "The hypervisor" of docs/faults.md; when
# it is not, this case leaves what it should be in /out/hypervisor.table.
. /lib/testbed.sh

page=/out/hypervisor.table
rows=/run/rows
mkdir -p /out
: >$rows

create_domain calls pvh
options="--backend sqlite --arg path:/run/vm.db --auth-dir $KEYS"

# launch_failing PHASE NUMBER: a daemon of which that call fails, as TRACED. The call is named in /run/failed.
launch_failing() {
  xenstore-rm "/local/domain/$DOMAIN/varstored-pid" 2>/dev/null || :
  rm -f /run/failed /run/serving
  # shellcheck disable=SC2086  # words, on purpose
  failing_call "$1" "$2" /usr/sbin/varstored --domain "$DOMAIN" --depriv $options >/run/failed 2>/run/serving &
  TRACED=$!
}

ended() {
  ! kill -0 "$TRACED"
}

ready_or_ended() {
  ready || ended
}

# end_traced: asks it to end, unless it has ended already; its exit status, in $code.
end_traced() {
  if ready; then kill -TERM "$(xenstore-read "/local/domain/$DOMAIN/varstored-pid")" 2>/dev/null || :; fi
  within 10 ended || fail "a daemon does not end"
  code=0
  wait "$TRACED" || code=$?
}

# answer LINE: what the guest is told, in a word.
answer() {
  echo "$1" | guest -t 2 | sed -n 's/.*-> \([A-Za-z_]*\).*/\1/p'
}

# is_kept TEXT: whether that is the data of the variable.
is_kept() {
  echo "get test:Asked -> SUCCESS 7 text:$1" | guest -q >/dev/null
}

# row OPERATION TOLD KEPT NEXT
row() {
  call=$(cat /run/failed)
  echo "$1|\`${call%% on *}\` on ${call##* on }: EIO|$2|$3|$4" >>$rows
}

say "the start"
number=0
while :; do
  launch_failing starting $number
  within 30 ready_or_ended || fail "call $number: neither ready nor ended: $(cat /run/failed)"
  if ready; then told=served; else told="not ready"; fi
  end_traced
  [ $code = 0 ] || told="$told, exit $code"
  [ -s /run/failed ] || break
  row "the start" "$told" old works
  number=$((number + 1))
done
[ $number -ge 10 ] || fail "only $number calls"

# Nothing was left behind: a domain has eight servers at most, and there were more starts than that.
say "$number calls later, a start"
# shellcheck disable=SC2086
start_daemon $options
xl unpause "$DOMAIN"
echo "set test:Asked 7 text:0 -> SUCCESS" | guest
stop_daemon

say "a request"
number=0
while :; do
  launch_failing serving $number
  within 30 test -s /run/serving || fail "call $number: not ready"
  told=$(answer "set test:Asked 7 text:$((number + 1))")
  within 1 test -s /run/failed || break  # the request has fewer calls
  next=$(answer "query 7")
  end_traced
  # shellcheck disable=SC2086
  start_daemon $options
  if is_kept $((number + 1)); then kept=new; elif is_kept $number; then kept=old; else kept=neither; fi
  case $next in
    SUCCESS) next=works ;;
    *) next="works, with the next daemon" ;;
  esac
  case $told in
    timeout) told=waits ;;
    unanswered) told="no answer" ;;
  esac
  [ $code = 0 ] || told="$told, exit $code"
  row SetVariable "$told" $kept "$next"
  echo "set test:Asked 7 text:$((number + 1)) -> SUCCESS" | guest -q
  stop_daemon
  number=$((number + 1))
done
end_traced
[ $number -ge 6 ] || fail "only $number calls"

# One row for each operation and call, with all that came of it.
{
  echo "| operation | fault | told | kept | next |"
  echo "| --- | --- | --- | --- | --- |"
  sort -u $rows | awk -F '|' '
    function add(set, word) { return index(" or " set " or ", " or " word " or ") ? set : set " or " word }
    {
      key = $1 "|" $2
      if (!(key in told)) { order[++keys] = key; told[key] = $3; kept[key] = $4; after[key] = $5; next }
      told[key] = add(told[key], $3); kept[key] = add(kept[key], $4); after[key] = add(after[key], $5)
    }
    END {
      for (i = 1; i <= keys; i++) {
        split(order[i], words, "|")
        print "| " words[1] " | " words[2] " | " told[order[i]] " | " kept[order[i]] " | " after[order[i]] " |"
      }
    }'
} >$page
sed -n '/^## The hypervisor$/,/^## /{/^|/p}' /test/faults | diff - $page || fail "docs/faults.md says something else"
