# shellcheck shell=sh disable=SC2034  # variables of and for the one who sources it
#
# For the cases, which begin with `. /lib/testbed.sh`. A case ends with the first command that
# fails; then the newest daemon's log is shown.

set -eu

KEYS=/usr/local/lib/keys  # see make_test_keys.py
DOMAIN=                   # number of the domain that the functions below are about
DAEMON=                   # process id of the daemon, or of the null handler, that serves it
LOG=                      # the daemon's log
daemons=0
TRACER=                   # what the daemon runs below: tests/sandbox/list_used_calls brings strace
[ ! -x /usr/bin/strace ] || TRACER="strace -D -ff -qq -e raw=all -o /out/trace"

say() {
  read -r up _ </proc/uptime
  echo "[$up] $*"
}

fail() {
  say "FAILED: $*"
  exit 1
}

show_log() {
  status=$?
  if [ $status != 0 ] && [ -f "$LOG" ]; then
    echo "---- $LOG"
    tail -n 20 "$LOG"
  fi
}
trap show_log EXIT

# within SECONDS COMMAND...: true as soon as the command is, false when it never is.
within() {
  turns=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    turns=$((turns - 1))
    [ $turns -gt 0 ] || return 1
    sleep 0.05
  done
}

# ---- domains ----

# configure_domain NAME pvh|hvm [VCPUS]: writes the file $config for a domain with the test guest, of a
# new VM. pvh: its kernel is the guest. hvm: a domain as firmware has it, with the guest in place of
# hvmloader and a device model that does nothing. It stays after a shutdown, so that a test can look
# at it.
configure_domain() {
  config=/run/$1.cfg
  cat >"$config" <<END
name = "$1"
uuid = "$(cat /proc/sys/kernel/random/uuid)"
memory = 16
vcpus = ${3:-1}
on_poweroff = "preserve"
on_reboot = "preserve"
on_crash = "preserve"
END
  if [ "$2" = pvh ]; then
    cat >>"$config" <<END
type = "pvh"
kernel = "/usr/local/lib/guest-pvh.elf"
END
  else
    # xl wants a BIOS file to give to hvmloader; this one is never looked at.
    echo none >/run/bios
    cat >>"$config" <<END
type = "hvm"
firmware_override = "/usr/local/lib/guest-hvm.elf"
bios = "seabios"
bios_path_override = "/run/bios"
device_model_version = "qemu-xen"
device_model_override = "/usr/local/bin/fake_device_model"
acpi = 0
vga = "none"
vnc = 0
usb = 0
xen_platform_pci = 0
shadow_memory = 2
END
  fi
}

# create_domain NAME pvh|hvm [VCPUS]: makes such a domain, paused, as DOMAIN.
create_domain() {
  configure_domain "$@"
  xl create -p -e -q "$config"
  DOMAIN=$(xl domid "$1")
  say "domain $DOMAIN ($1, $2) is there"
}

# platform KEY VALUE: what a toolstack says of this domain, for the daemon to read.
platform() {
  xenstore-write "/local/domain/$DOMAIN/platform/$1" "$2"
}

# guest [-q] [-t SECONDS]: runs the script on standard input on the domain's vCPUs; the language is
# explained at the head of guest_driver/main.cc.
guest() {
  guest_driver "$@" "$DOMAIN"
}

# expect_domain STATE [SECONDS]: waits until the domain is poweroff, suspend, gone...
expect_domain() {
  state=$(wait_for_domain "$DOMAIN" "${2:-10}")
  [ "$state" = "$1" ] || fail "domain $DOMAIN should be $1 and is $state"
}

destroy_domain() {
  xl destroy "$DOMAIN"
}

# quietly COMMAND...: shows what a talkative command said only when it fails.
quietly() {
  "$@" >/run/quiet.log 2>&1 || { cat /run/quiet.log; fail "$*"; }
}

# save_domain FILE: saves the HVM domain and leaves it suspended, as a toolstack does, which then
# stops the daemon and destroys the domain.
save_domain() {
  quietly xl save -p "$DOMAIN" "$1"
  say "domain $DOMAIN is saved"
}

# restore_domain FILE: the saved domain as a new one, paused, as DOMAIN.
restore_domain() {
  quietly xl restore -p "$1"
  DOMAIN=$(xl list | awk 'END { print $2 }')
  say "and restored as domain $DOMAIN"
}

# checkpoint_domain: suspends the HVM domain, saves it, and lets the same domain go on.
checkpoint_domain() {
  quietly xl save -c "$DOMAIN" /run/checkpoint
  rm /run/checkpoint
}

# ---- daemons ----

ready() {
  xenstore-exists "/local/domain/$DOMAIN/varstored-pid"
}

ready_or_dead() {
  ready || ! kill -0 "$DAEMON"
}

# launch_daemon OPTION...: starts the daemon for the domain, locked in, as DAEMON, with its log in LOG.
launch_daemon() {
  xenstore-rm "/local/domain/$DOMAIN/varstored-pid" 2>/dev/null || :
  daemons=$((daemons + 1))
  LOG=/out/daemon-$daemons.log
  # shellcheck disable=SC2086  # words, on purpose
  $TRACER varstored --domain "$DOMAIN" --depriv "$@" >"$LOG" 2>&1 &
  DAEMON=$!
}

# start_daemon OPTION...: and waits until it says that it is ready.
start_daemon() {
  launch_daemon "$@"
  within 30 ready_or_dead || fail "the daemon does not become ready"
  kill -0 "$DAEMON" || fail "the daemon ended when it started"
  pid=$(xenstore-read "/local/domain/$DOMAIN/varstored-pid")
  [ "$pid" = "$DAEMON" ] || fail "varstored-pid is $pid, the daemon is $DAEMON"
  say "the daemon of domain $DOMAIN is ready"
}

daemon_ended() {
  ! kill -0 "$DAEMON"
}

# expect_daemon_end STATUS SECONDS: waits for its end, which must have this exit status.
expect_daemon_end() {
  within "$2" daemon_ended || fail "the daemon did not end within $2 s"
  result=0
  wait "$DAEMON" || result=$?
  [ $result = "$1" ] || fail "the daemon ended with $result, not $1"
}

# stop_daemon: as a toolstack does; it gives the daemon 10 s.
stop_daemon() {
  kill -TERM "$DAEMON"
  expect_daemon_end 0 10
  say "the daemon of domain $DOMAIN has ended"
}

kill_daemon() {
  kill -KILL "$DAEMON"
  wait "$DAEMON" 2>/dev/null || :
}

# start_null_handler [FIRST_PORT]: the handler that completes everything and answers nothing.
start_null_handler() {
  null_handler "$DOMAIN" "$@" >/run/null_handler.log 2>&1 &
  DAEMON=$!
  within 10 grep -q ready /run/null_handler.log || fail "the null handler does not start"
}
