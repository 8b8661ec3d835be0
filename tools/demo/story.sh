#!/bin/sh
# usage: story.sh BUILD_FOLDER
#
# The life of a VM's Secure Boot keys, told with the real daemon behind its loopback socket. Ends with
# an error when an answer is not the one that the story tells.
set -eu

bin=$(cd "$1" && pwd)/bin
work=$(mktemp -d)
cd "$work"
daemon=

bold='' good='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$(printf '\033[1m') good=$(printf '\033[32m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi

end() {
  [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
  rm -rf "$work"
}
trap end EXIT

now() { date +%s%3N; }
started=$(now)

tell() {
  ms=$(($(now) - started))
  printf '\n%s[%2d.%03d s] %s%s\n' "$bold" $((ms / 1000)) $((ms % 1000)) "$*" "$plain"
}
fact() { printf '    %-58s %s%s%s\n' "$1" "$good" "$2" "$plain"; }
fail() {
  echo "the story is not true: $*" >&2
  [ ! -f log ] || cat log >&2
  exit 1
}

global=8be4df61-93ca-11d2-aa0d-00e098032b8c
database=d719b2cb-3d3a-4596-a3bc-dad00e67656f

call() { "$bin/varstored-loopback-call" socket "$@"; }
hex() { call get "$global" "$1" | od -An -tx1 | tr -d ' \n'; }
bytes() { call get "$1" "$2" | wc -c; }

# start OPTION...: a daemon, from now on serving the guest.
start() {
  set -- --listen socket --platform secureboot=true --backend sqlite --arg path:database "$@"
  printf '    %s$ varstored-loopback %s%s\n' "$dim" "$*" "$plain"
  "$bin/varstored-loopback" "$@" 2>log &
  daemon=$!
  until call list >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || fail "the daemon did not start"
    sleep 0.01
  done
}
stop() {
  kill -TERM "$daemon"
  wait "$daemon" || fail "the daemon did not end well"
  daemon=
}

# answer EXPECTED WHAT CALL...: what the guest is told.
answer() {
  expected=$1 what=$2
  shift 2
  told=$(call "$@" 2>&1 >/dev/null) || :
  [ "${told:-Success}" = "$expected" ] || fail "$what: ${told:-Success}"
  fact "$what" "$expected"
}
# same WHAT VALUE EXPECTED
same() {
  [ "$2" = "$3" ] || fail "$1: $2"
  fact "$1" "$2"
}

tell "An administrator makes keys: PK, KEK and db"
mkdir keys
# make_key NAME SUBJECT: NAME.key, and its certificate NAME.pem.
make_key() {
  openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.pem" 2>/dev/null ||
    fail "openssl made no key"
}
make_key PK "Demo platform key"
make_key KEK "Demo key exchange key"
make_key vendor "Demo boot loader vendor"
make_key second "Demo second vendor"
make_key stranger "Nobody in particular"
sign() { "$bin/create-auth" "$@" || fail "create-auth made no update"; }
sign -k PK.key -c PK.pem PK keys/PK.auth PK.pem
sign -k PK.key -c PK.pem KEK keys/KEK.auth KEK.pem
sign -k PK.key -c PK.pem db keys/db.auth vendor.pem
sign -a db db-unsigned second.pem
sign -a -k stranger.key -c stranger.pem db db-by-a-stranger second.pem
sign -a -k KEK.key -c KEK.pem db db-by-kek second.pem
for name in PK KEK db; do fact "$name.auth" "$(wc -c <keys/$name.auth) bytes"; done

tell "A VM is powered on for the first time; Secure Boot is wanted"
start --auth-dir keys
same "SecureBoot" "$(hex SecureBoot)" 01
same "SetupMode" "$(hex SetupMode)" 00
before=$(bytes $database db)
fact "db: one boot loader's vendor is trusted" "$before bytes"

tell "Its operating system would like to trust somebody else, too"
answer "Security Violation" "a change of db without a signature" \
  set $database db 67 db-unsigned
answer "Security Violation" "the same, signed by nobody in particular" \
  set $database db 67 db-by-a-stranger
answer "Success" "the same, signed with the key in KEK" \
  set $database db 67 db-by-kek
after=$(bytes $database db)
[ "$after" -gt "$before" ] || fail "db did not grow"
fact "db: a second vendor is trusted" "$after bytes"

tell "Malware would like to trust everybody"
printf '\0' >zero
: >nothing
answer "Write Protected" "SecureBoot = 0" set $global SecureBoot 6 zero
answer "Invalid Parameter" "delete PK, attributes 0" set $global PK 0 nothing
answer "Security Violation" "delete PK, its own attributes" set $global PK 27 nothing
same "SecureBoot" "$(hex SecureBoot)" 01

tell "An ordinary variable, and one that lives until power-off"
printf '\001\000' >order
answer "Success" "BootOrder = 0001" set $global BootOrder 7 order
answer "Success" "BootCurrent = 0001" set $global BootCurrent 6 order

tell "Power off, power on: another process, the same database"
stop
start --arg save:state
same "SecureBoot" "$(hex SecureBoot)" 01
same "db" "$(bytes $database db) bytes" "$after bytes"
same "BootOrder" "$(hex BootOrder)" 0100
answer "Not Found" "BootCurrent" get $global BootCurrent
answer "Success" "BootCurrent = 0001" set $global BootCurrent 6 order

tell "Suspend, and go on: another process, all of the state"
stop
fact "the saved state" "$(wc -c <state) bytes"
start --resume --arg resume:state
same "SecureBoot" "$(hex SecureBoot)" 01
same "BootCurrent" "$(hex BootCurrent)" 0100

tell "What the guest sees in the end"
call list | sort -k 2 | while read -r guid name; do
  printf '    %-34s %6d bytes\n' "$name" "$(bytes "$guid" "$name")"
done

tell "The log of this last daemon"
stop
sed 's/^/    /' log
