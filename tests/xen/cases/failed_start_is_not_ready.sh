# A daemon that cannot do its work never says that it is ready: it says why and ends. Exit status 2:
# the command line is wrong; the reason is the first line, and the usage follows. 1: something else
# is; the reason is the last line.
. /lib/testbed.sh

create_domain waiting pvh
memory="--backend memory --auth-dir $KEYS"

# refuses STATUS PATTERN OPTION...
refuses() {
  status=$1 pattern=$2
  shift 2
  launch_daemon "$@"
  expect_daemon_end "$status" 10
  if ready; then fail "ready, and yet it ended: $*"; fi
  if [ "$status" = 2 ]; then
    reason=$(head -n 1 "$LOG")
  else
    reason=$(tail -n 1 "$LOG")
    [ "$(wc -l <"$LOG")" -le 5 ] || fail "too many lines: $*"
  fi
  echo "$reason" | grep -qiE "$pattern" || fail "it does not say '$pattern' but '$reason': $*"
  say "exit status $status: $reason"
}

# shellcheck disable=SC2086  # $memory is words
{
  refuses 2 'nonsense' $memory --nonsense
  refuses 2 'backend'
  refuses 2 'backend' --backend paper
  refuses 2 'backend' --arg save:/run/x $memory
  refuses 2 'resume' $memory --arg resume:/run/x
  refuses 1 'uid|number' $memory --uid many
}

say "the domain"
there=$DOMAIN DOMAIN=999
# shellcheck disable=SC2086
refuses 1 '.' $memory
DOMAIN=$there

say "the stored variables"
mkdir /run/folder
refuses 1 '/run/absent' --backend sqlite --arg path:/run/absent/variables.sqlite --auth-dir "$KEYS"
refuses 1 'folder' --backend sqlite --arg path:/run/folder --auth-dir "$KEYS"
echo "no variables at all" >/run/foreign
# shellcheck disable=SC2086
{
  refuses 1 'foreign' $memory --arg init:/run/foreign
  refuses 1 'absent' $memory --arg init:/run/absent
  refuses 1 'foreign' $memory --resume --arg resume:/run/foreign
  refuses 1 'absent' $memory --resume --arg resume:/run/absent
}
refuses 1 'foreign' --backend sqlite --arg path:/run/foreign --auth-dir "$KEYS"
[ "$(cat /run/foreign)" = "no variables at all" ] || fail "a foreign file was touched"

say "the keys"
cp -r "$KEYS" /run/keys
echo rubbish >/run/keys/KEK.auth
refuses 1 'KEK.auth' --backend memory --auth-dir /run/keys

say "Secure Boot that is required"
mkdir /run/no-keys
platform secureboot true
platform secureboot-enforce true
refuses 1 'secure-boot-not-in-force' --backend memory --auth-dir /run/no-keys

say "the process"
# shellcheck disable=SC2086
{
  refuses 1 'chroot|absent' $memory --chroot /run/absent
  refuses 1 'absent' $memory --pidfile /run/absent/pid
}

# None of them has left an IOREQ server behind, or else the domain, which can have eight, would take
# no more.
say "one daemon for each pid file"
# shellcheck disable=SC2086
start_daemon $memory --pidfile /run/pid
first=$DAEMON
create_domain second pvh
# shellcheck disable=SC2086
refuses 1 '/run/pid' $memory --pidfile /run/pid
[ "$(cat /run/pid)" = "$first" ] || fail "the pid file was touched"
