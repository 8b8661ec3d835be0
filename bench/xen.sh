# xen.sh [ROUNDS [CALLS [DAEMONS]]]
#
# Runs in dom0 of the testbed (tests/xen/README.md) and prints docs/performance.md's tables of the
# real path: bench/run starts it.
. /lib/testbed.sh

rounds=${1:-21} calls=${2:-150} many=${3:-50}
results=/run/results  # a line for each measurement: round, name, microseconds
tracing=/sys/kernel/tracing

# The contenders, each with a domain of its own. Only the domain that is measured runs.
daemon_options() {
  case $1 in
    memory) echo "--backend memory" ;;
    sqlite) echo "--backend sqlite --arg path:/run/$DOMAIN.sqlite" ;;
  esac
}

# call DOMAIN SCRIPT: has the domain run while the script does.
call() {
  xl unpause "$1"
  echo "$2" | guest_driver -t 60 "$1" >/run/call.log || { cat /run/call.log; fail "$2"; }
  xl pause "$1"
}

# measure ROUND NAME DOMAIN COMMAND
measure() {
  call "$3" "repeat $calls $4"
  time=$(sed -n 's/.*calls in \([0-9]*\) us.*/\1/p' /run/call.log)
  echo "$1 $2 $time" >>"$results"
}

get='get test:Bench                                     -> SUCCESS 7 pattern:100'
query='query 7                                          -> SUCCESS * * *'
volatile='set test:Volatile 6 pattern:100 changing      -> SUCCESS'
kept='set test:Kept 7 pattern:100 changing              -> SUCCESS'
nothing='query 7                                        -> unanswered'

one_round() {
  measure "$1" null "$null" "$nothing"
  measure "$1" get "$memory" "$get"
  measure "$1" null "$null" "$nothing"
  measure "$1" query "$memory" "$query"
  measure "$1" null "$null" "$nothing"
  measure "$1" volatile "$memory" "$volatile"
  measure "$1" null "$null" "$nothing"
  measure "$1" memory "$memory" "$kept"
  measure "$1" null "$null" "$nothing"
  measure "$1" sqlite "$sqlite" "$kept"
  measure "$1" null "$null" "$nothing"
}

# count NAME DOMAIN PROCESS COMMAND: system calls of the process, and hypercalls: those for devices
# and events (dm_op, event_channel_op), and all of dom0's.
count() {
  enter=$tracing/events/raw_syscalls/sys_enter
  echo "hist:keys=id if common_pid==$3" >"$enter/trigger"
  xentrace -D -e 0x0020f000 /run/trace >/dev/null 2>&1 &
  tracer=$!
  within 5 test -s /run/trace || fail "xentrace does not write"
  call "$2" "repeat $calls $4"
  kill -INT "$tracer"
  wait "$tracer" 2>/dev/null || :
  system_calls=$(sed -n 's/^ *Hits: //p' "$enter/hist")
  echo "!hist:keys=id if common_pid==$3" >"$enter/trigger"
  # A record is a word (bit 31: two words of time follow; 30 to 28: how many other words do; the rest:
  # the event) and those. Event 0x20100d is a hypercall, whose number is in the first other word.
  od -An -v -tx4 /run/trace | awk -v calls="$calls" -v name="$1" -v system_calls="$system_calls" '
    { for (i = 1; i <= NF; i++) {
        if (left == 0) {
          nibble = index("0123456789abcdef", substr($i, 1, 1)) - 1
          event = substr($i, 2)
          time = nibble >= 8 ? 2 : 0
          left = time + nibble % 8
          seen = 0
        } else {
          left--
          if (seen++ == time && event == "020100d") { all++; of[substr($i, 7)]++ }
        }
      } }
    END { printf "%s %.1f %.1f %.0f\n", name, system_calls / calls,
                 (of["29"] + of["20"]) / calls, all / calls }' >>/run/counts
  rm /run/trace
}

# memory_of PID FIELD: of the process, in kB.
memory_of() {
  awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/smaps_rollup"
}

# starts BACKEND: the table's line of one daemon.
starts() {
  create_domain "starts-$1" pvh >/dev/null
  : >/run/starts
  for _ in 1 2 3 4 5 6 7 8 9; do
    rm -f "/run/$DOMAIN.sqlite"
    # shellcheck disable=SC2046  # words, on purpose
    time_to_ready "$DOMAIN" /usr/sbin/varstored --domain "$DOMAIN" $(daemon_options "$1") \
      2>/run/starts.log >/run/start || { cat /run/starts.log; fail "the daemon does not start"; }
    read -r milliseconds pid </run/start
    echo "$milliseconds $(memory_of "$pid" Anonymous) $(memory_of "$pid" Pss)" >>/run/starts
    kill -TERM "$pid"
    within 5 daemon_is_gone || fail "the daemon does not end"
  done
  sort -n /run/starts | awk -v name="$1" 'NR == 5 {
    printf "| one, `%s` | %.0f | %d | %d |\n", name, $1, $2, $3 }'
  destroy_domain
}

# create_small_domain NAME: one that never runs, as DOMAIN, so that many fit.
create_small_domain() {
  printf '%s\n' "name = '$1'" "memory = 4" "vcpus = 1" "type = 'pvh'" \
    "kernel = '/usr/local/lib/guest-pvh.elf'" >"/run/$1.cfg"
  xl create -p -e -q "/run/$1.cfg"
  DOMAIN=$(xl domid "$1")
}

daemon_is_gone() {
  ! grep -q . "/proc/$pid/cmdline"
}

# ---- the contenders ----

create_domain null pvh
null=$DOMAIN
start_null_handler
null_handler=$DAEMON
for backend in memory sqlite; do
  create_domain "$backend" pvh
  # shellcheck disable=SC2046  # words, on purpose
  start_daemon $(daemon_options "$backend")
  eval "$backend=$DOMAIN ${backend}_daemon=$DAEMON"
  call "$DOMAIN" "set test:Bench 7 pattern:100 -> SUCCESS"
done

# ---- round trips ----

say "measure: $rounds rounds of $calls calls for each line"
one_round 0
: >"$results"
round=1
while [ "$round" -le "$rounds" ]; do
  one_round "$round"
  round=$((round + 1))
done

say "count"
mount -t tracefs none "$tracing"
: >/run/counts
# shellcheck disable=SC2154  # set by eval
{
  count null "$null" "$null_handler" "$nothing"
  count get "$memory" "$memory_daemon" "$get"
  count query "$memory" "$memory_daemon" "$query"
  count volatile "$memory" "$memory_daemon" "$volatile"
  count memory "$memory" "$memory_daemon" "$kept"
  count sqlite "$sqlite" "$sqlite_daemon" "$kept"
}

# A measurement is compared with the null handler's before and after it, and of these ratios the
# middle one is shown.
awk -v calls="$calls" '
  function median(values, n,  i, j, swap) {
    for (i = 2; i <= n; i++) {
      for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
        swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
      }
    }
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
  }
  FILENAME == "/run/counts" { counts[$1] = $2 " | " $3 " | " $4; next }
  $2 == "null" {
    if (waiting != "") ratios[waiting, ++n[waiting]] = (before + $3) / 2 / time
    waiting = ""; before = $3
    nulls[++null_count] = $3
    next
  }
  { waiting = $2; time = $3 }
  END {
    null_rate = 1000000 * calls / median(nulls, null_count)
    print "| request | round trips/s | of the null handler'"'"'s | system calls | hypercalls | all of dom0 |"
    print "| --- | --: | --: | --: | --: | --: |"
    printf "| none: the null handler | %.0f | 1 | %s |\n", null_rate, counts["null"]
    split("get query volatile memory sqlite", names)
    text["get"] = "GetVariable, 100 bytes"
    text["query"] = "QueryVariableInfo"
    text["volatile"] = "SetVariable, volatile, 100 bytes"
    text["memory"] = "SetVariable, non-volatile, 100 bytes, `memory`"
    text["sqlite"] = "SetVariable, non-volatile, 100 bytes, `sqlite`"
    for (i = 1; i <= 5; i++) {
      name = names[i]
      for (j = 1; j <= n[name]; j++) sorted[j] = ratios[name, j]
      ratio = median(sorted, n[name])
      printf "| %s | %.0f | %.2f | %s |\n", text[name], ratio * null_rate, ratio, counts[name]
    }
  }' /run/counts "$results"

# ---- starts and memory ----

say "starts and memory"
kill "$null_handler"
{
  echo "| daemons | exec to ready, ms | Anonymous, kB | Pss, kB |"
  echo "| --- | --: | --: | --: |"
  starts memory
  starts sqlite
} >/run/starts.table
number=2
pids="$memory_daemon $sqlite_daemon"
while [ "$number" -lt "$many" ]; do
  number=$((number + 1))
  create_small_domain "many-$number"
  # shellcheck disable=SC2046  # words, on purpose
  start_daemon $(daemon_options sqlite) >/dev/null
  pids="$pids $DAEMON"
done
{
  cat /run/starts.table
  for pid in $pids; do
    echo "$(memory_of "$pid" Anonymous) $(memory_of "$pid" Pss)"
  done | awk '{ anonymous += $1; pss += $2 } END {
    printf "| each of %d, `sqlite` | - | %.0f | %.0f |\n", NR, anonymous / NR, pss / NR }'
}
