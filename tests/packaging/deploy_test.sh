#!/bin/sh
# packaging/deploy over a real ssh, to an sshd that this test starts on loopback: usage:
# deploy_test.sh SOURCE_FOLDER BUILD_FOLDER
set -eu

. "$(dirname "$0")/support.sh"
deploy=$source_folder/packaging/deploy
sshd_pid=
trap 'status=$?; [ -z "$sshd_pid" ] || kill "$sshd_pid"; rm -rf "$work"; exit $status' EXIT

fail() {
  echo "FAILED: $*" >&2
  cat "$work/out" "$work/err" "$work/sshd.log" >&2 || true
  exit 1
}

# expect STATUS WORDS OPTION...: runs the program; its two outputs together hold WORDS.
expect() {
  status=$1 words=$2
  shift 2
  result=0
  "$deploy" "$@" >"$work/out" 2>"$work/err" </dev/null || result=$?
  [ $result = "$status" ] || fail "deploy $*: exit status $result, not $status"
  cat "$work/out" "$work/err" | grep -qF -- "$words" || fail "deploy $*: no '$words'"
}

# is FILE TEXT: the file on the host holds the text.
is() {
  [ "$(cat "$work/host/$1")" = "$2" ] || fail "$1 is not '$2'"
}

ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
# A port that is free is found by trying: sshd ends at once when it is taken.
port=$((20000 + $$ % 20000))
for _ in 1 2 3 4 5 6 7 8 9 10; do
  port=$((port + 1))
  /usr/sbin/sshd -D -e -f /dev/null -p "$port" -o ListenAddress=127.0.0.1 -h "$work/host_key" \
    -o AuthorizedKeysFile="$work/key.pub" -o StrictModes=no -o UsePAM=no -o PidFile=none \
    -o PermitRootLogin=prohibit-password 2>"$work/sshd.log" &
  sshd_pid=$!
  until grep -q 'Server listening' "$work/sshd.log"; do
    kill -0 "$sshd_pid" 2>/dev/null || { sshd_pid=; continue 2; }
  done
  break
done
[ -n "$sshd_pid" ] || fail "no sshd"
ssh="ssh -F none -i $work/key -p $port -o StrictHostKeyChecking=no -o UserKnownHostsFile=$work/known -o LogLevel=ERROR -o BatchMode=yes"
$ssh 127.0.0.1 true </dev/null || {
  cat "$work/sshd.log"
  skip "the sshd lets nobody in"
}

mkdir -p "$work/stage/usr/sbin" "$work/stage/usr/share/man" "$work/host/usr/sbin"
echo first >"$work/stage/usr/sbin/varstored"
echo page >"$work/stage/usr/share/man/page with a blank"
echo old >"$work/host/usr/sbin/varstored"
chmod 755 "$work/stage/usr/sbin/varstored" "$work/host/usr/sbin/varstored"

# What cannot work says why, and changes nothing.
expect 2 "no host"
expect 2 "no host" ''
expect 2 "no option --wrong" --wrong 127.0.0.1 "$work/stage"
expect 2 "--ssh needs a value" --ssh
expect 2 "starts with /" --root here 127.0.0.1 "$work/stage"
expect 2 "letters, digits" --root "/tmp/x'y" 127.0.0.1 "$work/stage"
expect 1 "is no folder" 127.0.0.1 "$work/none"
mkdir "$work/empty"
expect 1 "has no file" 127.0.0.1 "$work/empty"
expect 1 "cannot reach 127.0.0.1" --ssh "$work/no-such-program" 127.0.0.1 "$work/stage"
expect 1 "cannot reach 127.0.0.1" --ssh "ssh -F none -o BatchMode=yes -o ConnectTimeout=5 -p 1" 127.0.0.1 "$work/stage"
# A look does not need the host, but says so.
expect 0 "would copy /usr/sbin/varstored" --dry-run --ssh "$work/no-such-program" 127.0.0.1 "$work/stage"
grep -q "would stop here: cannot reach 127.0.0.1" "$work/err" || fail "nothing is said of the host"
expect 1 "cannot reach 127.0.0.1" --dry-run --revert --ssh "$work/no-such-program" 127.0.0.1
set -- --ssh "$ssh" --root "$work/host"
expect 1 "has no XAPI" "$@" 127.0.0.1 "$work/stage"
expect 0 "would replace $work/host/usr/sbin/varstored" "$@" --dry-run 127.0.0.1 "$work/stage"
grep -q "would stop here: 127.0.0.1 has no XAPI" "$work/err" || fail "nothing is said of XAPI"
mkdir "$work/fake"
printf '#!/bin/sh\necho riscv64\n' >"$work/fake/uname"
chmod 755 "$work/fake/uname"
PATH=$work/fake:$PATH expect 1 "this build is for riscv64" "$@" --no-xapi 127.0.0.1 "$work/stage"
expect 1 "nothing was deployed there" "$@" --no-xapi --revert 127.0.0.1
expect 0 "would replace $work/host/usr/sbin/varstored" "$@" --no-xapi --dry-run 127.0.0.1 "$work/stage"
is usr/sbin/varstored old
[ ! -e "$work/host/var" ] || fail "something was written"

# A program that runs keeps its file: the place gets a new one.
inode=$(stat -c %i "$work/host/usr/sbin/varstored")
mkdir -p "$work/host/opt/xensource/bin"
: >"$work/host/opt/xensource/bin/xapi"
expect 0 "replaced $work/host/usr/sbin/varstored" "$@" 127.0.0.1 "$work/stage"
is usr/sbin/varstored first
is "usr/share/man/page with a blank" page
[ "$(stat -c %i "$work/host/usr/sbin/varstored")" != "$inode" ] || fail "written into the old file"
[ "$(stat -c %a "$work/host/usr/sbin/varstored")" = 755 ] || fail "another mode"

# Deployments are taken back one after the other, the last one first.
echo second >"$work/stage/usr/sbin/varstored"
expect 0 "replaced $work/host/usr/share/man/page with a blank" "$@" 127.0.0.1 "$work/stage"
is usr/sbin/varstored second
expect 0 "would put back $work/host/usr/sbin/varstored" "$@" --dry-run --revert 127.0.0.1
is usr/sbin/varstored second
expect 0 "put back $work/host/usr/sbin/varstored" "$@" --revert 127.0.0.1
is usr/sbin/varstored first
expect 0 "removed $work/host/usr/share/man/page with a blank" "$@" --revert 127.0.0.1
is usr/sbin/varstored old
[ -z "$(find "$work/host/usr/share" -type f)" ] || fail "an added file stayed"

# A copy that fails in the middle leaves the host as it was.
echo third >"$work/stage/usr/sbin/varstored"
mkdir -p "$work/stage/opt" "$work/host/opt/clash.deploy/clash"
echo clash >"$work/stage/opt/clash"
expect 1 "" "$@" 127.0.0.1 "$work/stage"
is usr/sbin/varstored old
expect 1 "nothing was deployed there" "$@" --revert 127.0.0.1

# So do a failure and a signal while files take their places: that of the third one.
rm -r "$work/host/opt" "$work/stage/opt"
: >"$work/stage/usr/zz"
mkdir "$work/failing"
cat >"$work/failing/mv" <<END
#!/bin/sh
echo x >>'$work/moves'
[ "\$(wc -l <'$work/moves')" != 3 ] || . '$work/third'
exec /bin/mv "\$@"
END
cat >"$work/here" <<END
#!/bin/sh
shift
PATH=$work/failing:\$PATH exec \$SHELL_THERE -c "\$*"
END
chmod 755 "$work/failing/mv" "$work/here"
set -- --ssh "$work/here" --root "$work/host" --no-xapi
for SHELL_THERE in sh bash; do
  export SHELL_THERE
  for third in 'exit 1' 'kill -HUP $PPID' 'kill -PIPE $PPID'; do
    echo "$third" >"$work/third"
    rm -f "$work/moves"
    expect 1 "everything is as it was" "$@" any "$work/stage"
    [ "$(wc -l <"$work/moves")" -gt 3 ] || fail "nothing was replaced before"
    is usr/sbin/varstored old
    [ -z "$(find "$work/host/usr" -name zz -o -name '*.deploy' -o -name 'page*')" ] || fail "an added file stayed"
    expect 1 "nothing was deployed there" "$@" --revert any
  done
done

# Where the host itself goes, nobody there can take back: that is said, and --revert does.
echo 'kill -KILL $PPID' >"$work/third"
rm -f "$work/moves"
expect 1 "its state is unknown" "$@" any "$work/stage"
is usr/sbin/varstored third
expect 0 "put back $work/host/usr/sbin/varstored" "$@" --revert any
is usr/sbin/varstored old
echo "deployed, taken back, and refused where it cannot work"
