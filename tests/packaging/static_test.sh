#!/bin/sh
# The programs of the .rpm need nothing of the host's: each runs where there is nothing else, and does
# its work there. usage: static_test.sh SOURCE_FOLDER BUILD_FOLDER
set -eu

. "$(dirname "$0")/support.sh"
need_root
daemon=
trap '[ -z "$daemon" ] || kill "$daemon"; rm -rf "$work"' EXIT

mkdir "$work/files"
for package in "$packages"/*.rpm; do
  rpm2cpio "$package" | (cd "$work/files" && cpio -idm --quiet)
done
# The scripts among the examples are none.
programs=$(find "$work/files" -type f -perm -100 ! -path "*/share/doc/*")
[ "$(echo "$programs" | wc -l)" -ge 15 ] || fail "programs are missing: $programs"

# run PROGRAM ARGUMENT...: with the folder of data as its root.
root=$work/root
mkdir "$root"
run() {
  program=$1
  shift
  chroot "$root" "/$program" "$@"
}

for file in $programs; do
  name=$(basename "$file")
  headers=$(readelf -lWd "$file")
  case $headers in
    *INTERP* | *NEEDED*) fail "$name is not static" ;;
  esac
  # What an attacker would like to know is another one in each process, and cannot be written.
  case $headers in
    *"(PIE)"* | *"Flags: NOW PIE"*) ;;
    *) fail "$name has a fixed address" ;;
  esac
  case $headers in
    *GNU_RELRO*) ;;
    *) fail "$name has writable tables" ;;
  esac
  cp "$file" "$root/"
  for option in --version --help; do
    run "$name" "$option" >"$work/out" 2>"$work/err" || fail "$name $option: $(cat "$work/err")"
    grep -q "$name" "$work/out" || fail "$name $option does not say its name"
  done
  mv "$root/$name" "$work/"
done
cp "$work"/varstor* "$work/create-auth" "$root/"

# A VM's variables come in, are looked at, changed, signed for and mended. A database is made in a folder of its own
# in /tmp before it takes its place.
mkdir "$root/tmp"
guid=11111111-2222-3333-4444-555555555555
mkdir "$root/vars.efivars"
printf '\007\000\000\000first' >"$root/vars.efivars/Kept-$guid"
run varstore-convert /vars.efivars /vm.db >"$work/out" 2>&1 || fail "convert: $(cat "$work/out")"
[ "$(run varstore-get /vm.db $guid Kept)" = first ] || fail "the variable is not there"
printf second >"$root/data"
run varstore-set /vm.db $guid Kept 7 /data || fail "set"
run varstore-ls /vm.db | grep -q "^$guid Kept\$" || fail "ls"
[ "$(run varstore-get /vm.db $guid Kept)" = second ] || fail "the change is not there"
run varstore-sb-state /vm.db setup || fail "sb-state"
result=0
run varstore-inspect /vm.db >"$work/out" 2>&1 || result=$?
[ "$result" -le 2 ] || fail "inspect: $(cat "$work/out")"
grep -q 'Secure Boot' "$work/out" || fail "inspect: $(cat "$work/out")"
run varstore-convert /vm.db /vm.b64 2>"$work/out" || fail "convert: $(cat "$work/out")"
run varstore-nvram-certcheck /vm.b64 >"$work/out" 2>&1 || fail "certcheck: $(cat "$work/out")"
run varstore-rm /vm.db $guid Kept || fail "rm"
run varstore boot /vm.db --add /EFI/x.efi --label x >"$work/out" || fail "boot: $(cat "$work/out")"
run varstore ls /vm.db | grep -q Boot0000 || fail "the front starts no program"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout "$root/key.pem" \
  -out "$root/certificate.pem" 2>/dev/null
run create-auth -k /key.pem -c /certificate.pem PK /PK.auth /certificate.pem || fail "create-auth"
run varstore-set /vm.db 8be4df61-93ca-11d2-aa0d-00e098032b8c PK 0x27 /PK.auth || fail "set PK"
[ -n "$(run varstore-get /vm.db 8be4df61-93ca-11d2-aa0d-00e098032b8c PK | tr -d '\0')" ] || fail "no PK"

# The daemon itself needs a hypervisor. The same one behind a socket serves, locked in: a system call
# that only a static program makes would end it.
call() {
  "$build/bin/varstored-loopback-call" "$root/guest" "$@"
}
cp "$source_folder/build/dom0/bin/varstored-loopback" "$root/"
chroot "$root" /varstored-loopback --listen /guest --backend sqlite --arg path:/vm.db --depriv \
  >"$work/log" 2>&1 &
daemon=$!
until [ -S "$root/guest" ]; do
  kill -0 "$daemon" 2>/dev/null || { daemon=; fail "the daemon does not start: $(cat "$work/log")"; }
done
call set $guid Served 7 "$root/data" || fail "the guest cannot write: $(cat "$work/log")"
[ "$(call get $guid Served)" = second ] || fail "the guest cannot read"
kill "$daemon"
wait "$daemon" || fail "the daemon ends with $?: $(cat "$work/log")"
daemon=
run varstore-ls /vm.db | grep -q Served || fail "what the guest wrote is not kept"
echo "$(echo "$programs" | wc -l) programs run where there is nothing else"
