# xen.sh [ROUNDS [CALLS [DAEMONS [STARTS]]]]
#
# Runs in dom0 of the testbed (tests/xen/README.md) and leaves what it measures of the real path in
# /out/results.tsv, in lines as bench/page.py explains them: bench/run starts it. The daemon is in
# /bench/dynamic, and from the static build in /bench/static, if there is one.
. /lib/testbed.sh

rounds=${1:-15} calls=${2:-150} many=${3:-50} starts=${4:-9}
raw=/run/raw  # a line for each measurement: name, microseconds
results=/out/results.tsv
tracing=/sys/kernel/tracing
builds=$(cd /bench && echo *)

# The functions of testbed.sh start `varstored`: of this build. In the background it is a process of
# its own, which becomes the daemon.
build=dynamic
varstored() {
  exec "/bench/$build/varstored" "$@"
}

# start_backend BUILD BACKEND: for DOMAIN.
start_backend() {
  build=$1
  # shellcheck disable=SC2046  # words, on purpose
  start_daemon $(daemon_options "$2")
}

daemon_options() {
  case $1 in
    memory) echo "--backend memory" ;;
    sqlite) echo "--backend sqlite --arg path:/run/$DOMAIN.sqlite" ;;
  esac
}

# call DOMAIN SCRIPT: has the domain run while the script does. No other domain runs.
call() {
  xl unpause "$1"
  echo "$2" | guest_driver -t 60 "$1" >/run/call.log || { cat /run/call.log; fail "$2"; }
  xl pause "$1"
}

# The requests: the daemon's build, what, its backend, and what the guest does.
requests() {
  for build_of in $builds; do
    cat <<END
$build_of|GetVariable, 100 bytes|memory|get test:Bench -> SUCCESS 7 pattern:100
$build_of|QueryVariableInfo|memory|query 7 -> SUCCESS * * *
$build_of|SetVariable, volatile, 100 bytes|memory|set test:Volatile 6 pattern:100 changing -> SUCCESS
$build_of|SetVariable, 100 bytes|memory|set test:Kept 7 pattern:100 changing -> SUCCESS
$build_of|SetVariable, 100 bytes|sqlite|set test:Kept 7 pattern:100 changing -> SUCCESS
END
  done
}
nothing='query 7 -> unanswered'

# measure NAME DOMAIN COMMAND
measure() {
  call "$2" "repeat $calls $3"
  time=$(sed -n 's/.*calls in \([0-9]*\) us.*/\1/p' /run/call.log)
  echo "$1|$time" >>"$raw"
}

# Each contender has a domain of its own: `domain_BUILD_BACKEND`, with its daemon.
contender() {
  eval "domain=\$domain_$1_$2 daemon=\$daemon_$1_$2"
}

one_round() {
  measure null "$null" "$nothing"
  while IFS='|' read -r build_of what backend command; do
    contender "$build_of" "$backend"
    measure "$build_of|$what|$backend" "$domain" "$command"
    measure null "$null" "$nothing"
  done </run/requests
}

# count SUBJECT DOMAIN PROCESS COMMAND: system calls of the process, and hypercalls: those for devices
# and events (dm_op, event_channel_op), and all of dom0's. SUBJECT: BUILD, WHAT and BACKEND with a tab
# between.
count() {
  enter=$tracing/events/raw_syscalls/sys_enter
  echo "hist:keys=id.syscall if common_pid==$3" >"$enter/trigger"
  xentrace -D -e 0x0020f000 /run/trace >/dev/null 2>&1 &
  tracer=$!
  within 5 test -s /run/trace || fail "xentrace does not write"
  call "$2" "repeat $calls $4"
  kill -INT "$tracer"
  wait "$tracer" 2>/dev/null || :
  # "{ id: sys_poll [  7] } hitcount: 150"
  sed -n 's/^{ id: sys_\([a-z0-9_]*\).*hitcount: *\([0-9]*\).*/\1 \2/p' "$enter/hist" |
    awk -v calls="$calls" -v subject="$1" '$2 / calls > 0.04 {
      printf "xen\t%s\t0\tcall %s\t%.3g\n", subject, $1, $2 / calls }' >>"$results"
  echo "!hist:keys=id.syscall if common_pid==$3" >"$enter/trigger"
  # A record is a word (bit 31: two words of time follow; 30 to 28: how many other words do; the rest:
  # the event) and those. Event 0x20100d is a hypercall, whose number is in the first other word.
  od -An -v -tx4 /run/trace | awk -v calls="$calls" -v subject="$1" '
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
    END { printf "xen\t%s\t0\thypercalls\t%.3g\n", subject, (of["29"] + of["20"]) / calls
          printf "xen\t%s\t0\thypercalls of dom0\t%.3g\n", subject, all / calls }' >>"$results"
  rm /run/trace
}

# memory_of PID FIELD: of the process, in kB.
memory_of() {
  awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/smaps_rollup"
}

# record TABLE BUILD BACKEND AT MEASURE FILE: a line with the samples of a file.
record() {
  echo "$1	$2	start	$3	$4	$5	$(tr '\n' ' ' <"$6")" >>"$results"
}

# one_start BUILD BACKEND: of a domain that never runs.
one_start() {
  rm -f "/run/$DOMAIN.sqlite"
  # shellcheck disable=SC2046  # words, on purpose
  time_to_ready "$DOMAIN" "/bench/$1/varstored" --domain "$DOMAIN" --depriv $(daemon_options "$2") \
    2>/run/starts.log >/run/start || { cat /run/starts.log; fail "the daemon does not start"; }
  read -r milliseconds pid </run/start
  echo "$milliseconds" >>"/run/ms-$1-$2"
  memory_of "$pid" Anonymous >>"/run/anonymous-$1-$2"
  memory_of "$pid" Pss >>"/run/pss-$1-$2"
  kill -TERM "$pid"
  within 5 daemon_is_gone || fail "the daemon does not end"
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

mkdir -p /out
: >"$results"
requests >/run/requests
create_domain null pvh
null=$DOMAIN
start_null_handler
null_handler=$DAEMON
for build_of in $builds; do
  for backend in memory sqlite; do
    create_domain "$build_of-$backend" pvh
    start_backend "$build_of" "$backend"
    eval "domain_${build_of}_$backend=$DOMAIN daemon_${build_of}_$backend=$DAEMON"
    call "$DOMAIN" "set test:Bench 7 pattern:100 -> SUCCESS"
  done
done

# ---- round trips ----

say "measure: $rounds rounds of $calls calls for each of $(wc -l </run/requests) requests"
one_round
: >"$raw"
round=1
while [ "$round" -le "$rounds" ]; do
  one_round
  round=$((round + 1))
done

# A measurement is compared with the null handler's before and after it.
awk -F '|' -v calls="$calls" '
  $1 == "null" {
    if (waiting != "") { ratios[waiting] = ratios[waiting] sprintf("%.4g ", (before + $2) / 2 / time) }
    waiting = ""; before = $2; rates["null"] = rates["null"] sprintf("%.5g ", 1000000 * calls / $2)
    next
  }
  { waiting = $1 "\t" $2 "\t" $3; time = $4
    if (!(waiting in rates)) order[++count] = waiting
    rates[waiting] = rates[waiting] sprintf("%.5g ", 1000000 * calls / time) }
  END {
    printf "xen\tdynamic\tnone\tnull\t0\trequests/s\t%s\n", rates["null"]
    for (i = 1; i <= count; i++) {
      printf "xen\t%s\t0\trequests/s\t%s\n", order[i], rates[order[i]]
      printf "xen\t%s\t0\tof null\t%s\n", order[i], ratios[order[i]]
    }
  }' "$raw" >>"$results"

say "count"
mount -t tracefs none "$tracing"
count "dynamic	none	null" "$null" "$null_handler" "$nothing"
while IFS='|' read -r build_of what backend command; do
  contender "$build_of" "$backend"
  count "$build_of	$what	$backend" "$domain" "$daemon" "$command"
done </run/requests

# ---- starts and memory ----

say "starts and memory"
kill "$null_handler"
create_small_domain starts
start=1
while [ "$start" -le "$starts" ]; do
  for build_of in $builds; do
    one_start "$build_of" memory
    one_start "$build_of" sqlite
  done
  start=$((start + 1))
done
for build_of in $builds; do
  for backend in memory sqlite; do
    record xen-start "$build_of" "$backend" 1 ms "/run/ms-$build_of-$backend"
    record xen-start "$build_of" "$backend" 1 "anonymous kB" "/run/anonymous-$build_of-$backend"
    record xen-start "$build_of" "$backend" 1 "pss kB" "/run/pss-$build_of-$backend"
  done
done

for build_of in $builds; do
  say "$many daemons, $build_of"
  number=0 pids=
  while [ "$number" -lt "$many" ]; do
    number=$((number + 1))
    create_small_domain "many-$build_of-$number"
    start_backend "$build_of" sqlite >/dev/null
    pids="$pids $DAEMON $DOMAIN"
  done
  # shellcheck disable=SC2086  # words, on purpose
  set -- $pids
  while [ $# -gt 0 ]; do
    memory_of "$1" Anonymous >>/run/anonymous
    memory_of "$1" Pss >>/run/pss
    shift 2
  done
  record xen-start "$build_of" sqlite "$many" "anonymous kB" /run/anonymous
  record xen-start "$build_of" sqlite "$many" "pss kB" /run/pss
  rm /run/anonymous /run/pss
  # shellcheck disable=SC2086  # words, on purpose
  set -- $pids
  while [ $# -gt 0 ]; do
    kill -TERM "$1"
    xl destroy "$2"
    shift 2
  done
done
