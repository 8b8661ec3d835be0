# varstored-dm fails, and so xl create and xl restore do, when varstored cannot serve: the log says
# why, the device model is not started, and nothing is left behind.
. /lib/testbed.sh

LOG=/var/log/xen/qemu-dm-vm.log

# configure [OPTION...]: a VM with these options in device_model_args.
configure() {
  configure_domain vm hvm
  arguments='"--varstored-device-model=/usr/local/bin/fake_device_model"'
  for option in "$@"; do arguments="$arguments, \"$option\""; done
  cat >>"$config" <<END
device_model_override = "/usr/sbin/varstored-dm"
device_model_args = [ $arguments ]
END
  uuid=$(sed -n 's/^uuid = "\(.*\)"/\1/p' "$config")
  folder=/var/lib/varstored/$uuid
}

# refuses PATTERN COMMAND...: it fails, and the log of the device model says this.
refuses() {
  pattern=$1
  shift
  rm -f "$LOG"
  started=$(cut -d. -f1 /proc/uptime)
  if "$@" >/run/xl.log 2>&1; then fail "$* went well"; fi
  grep -qE "$pattern" "$LOG" || fail "the log does not say '$pattern': $(cat "$LOG")"
  [ $(($(cut -d. -f1 /proc/uptime) - started)) -lt 25 ] || fail "that took too long"
  if xl domid vm 2>/dev/null; then fail "the domain is there"; fi
  if pidof varstored fake_device_model; then fail "a process is left behind"; fi
  say "$(grep -m 1 -E "$pattern" "$LOG")"
}

say "the store is nobody's database"
configure
mkdir -p "$folder"
echo "no database" >"$folder/variables.sqlite"
refuses 'variables.sqlite' xl create -q "$config"
[ "$(cat "$folder/variables.sqlite")" = "no database" ] || fail "the foreign file was touched"

say "a key that cannot be used"
cp -r "$KEYS" /run/keys
echo rubbish >/run/keys/KEK.auth
configure --varstored-option=--auth-dir=/run/keys
refuses 'KEK.auth' xl create -q "$config"

say "an option that there is not, of one and of the other"
configure --varstored-colour=red
refuses 'varstored-dm: no option: --varstored-colour=red' xl create -q "$config"
configure --varstored-option=--colour=red
refuses 'colour' xl create -q "$config"

say "no device model: no daemon either"
configure --varstored-device-model=/usr/local/bin/absent
refuses 'varstored-dm: cannot run the device model /usr/local/bin/absent' xl create -q "$config"

say "a VM that this host knows nothing of cannot go on here"
configure
xl create -q "$config"
quietly xl save vm /run/vm.saved
within 15 [ -s "$folder/state" ] || fail "nothing was saved"
mv "$folder" /run/other-host
refuses 'does not have the VM.s variables' xl restore /run/vm.saved
rm -r "$folder"
mv /run/other-host "$folder"

say "a saved state that is damaged is no state to go on from, and stays"
cp "$folder/state" /run/state
echo damaged >"$folder/state"
refuses 'state' xl restore /run/vm.saved
[ "$(cat "$folder/state")" = damaged ] || fail "the damaged state is gone"
cp /run/state "$folder/state"
quietly xl restore /run/vm.saved

say "a VM that runs is not started again under another name"
sed -e 's/^name = .*/name = "twin"/' "$config" >/run/twin.cfg
LOG=/var/log/xen/qemu-dm-twin.log
if xl create -q /run/twin.cfg >/run/xl.log 2>&1; then fail "the twin was started"; fi
grep -q 'is served already' "$LOG" || fail "the log does not say so: $(cat "$LOG")"
# shellcheck disable=SC2034  # for the functions of the testbed
DOMAIN=$(xl domid vm)
echo 'get global:SetupMode -> SUCCESS 6 hex:01' | guest
xl destroy vm
