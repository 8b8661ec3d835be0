# xl alone, with varstored-dm for its device model: a VM's variables follow its UUID over create,
# reboot, save and restore. What is volatile survives a save, and nothing else.
. /lib/testbed.sh

mkdir -p /etc/secureboot
cp "$KEYS"/*.auth /etc/secureboot/
configure_domain vm hvm
cat >>"$config" <<'END'
device_model_override = "/usr/sbin/varstored-dm"
device_model_args = [ "--varstored-device-model=/usr/local/bin/fake_device_model",
                      "--varstored-option=--auth-dir=/etc/secureboot" ]
bios = "ovmf"
on_reboot = "restart"
END
uuid=$(sed -n 's/^uuid = "\(.*\)"/\1/p' "$config")
folder=/var/lib/varstored/$uuid
LOG=/var/log/xen/qemu-dm-vm.log

# serving: the daemon of the domain, from now on DAEMON, is ready. xl has returned, so it must be.
serving() {
  DOMAIN=$(xl domid vm)
  DAEMON=$(xenstore-read "/local/domain/$DOMAIN/varstored-pid") || fail "xl did not wait for varstored"
  kill -0 "$DAEMON" || fail "varstored has ended"
  opened=$(ls -l "/proc/$DAEMON/fd")
  # A socket of its own is that through which root looks in.
  for socket in $(echo "$opened" | sed -n 's/.*socket:\[\(.*\)\]/\1/p'); do
    grep -q " $socket /run/varstored/live/" /proc/net/unix || fail "it holds a socket of xl's: $opened"
  done
  if echo "$opened" | grep /var/lib/xen; then
    fail "it holds what xl has opened for the device model"
  fi
  [ "$(cat "$folder.name")" = vm ] || fail "the tools do not know its name"
  varstore-inspect --live "$uuid" >/run/told || fail "root cannot look into it by its uuid"
  say "domain $DOMAIN is served by process $DAEMON"
}

restarted() {
  now=$(xl domid vm) && [ "$now" != "$before" ] &&
    xenstore-exists "/local/domain/$now/varstored-pid" &&
    [ "$(xenstore-read "/local/domain/0/device-model/$now/state")" = running ]
}

say "create: a first boot, with the host's keys"
xl create -q "$config"
serving
guest <<END
get global:PK               -> SUCCESS 27 file:$KEYS/PK.esl
get global:SecureBoot       -> SUCCESS 6 hex:01
set test:Kept 7 text:kept   -> SUCCESS
set test:Volatile 6 text:first -> SUCCESS
END
id=$((65536 + DOMAIN))
[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$DAEMON/status")" = "$id $id $id $id" ] ||
  fail "it does not run as user $id"
[ "$(readlink "/proc/$DAEMON/root")" = "$folder" ] || fail "its root is $(readlink "/proc/$DAEMON/root")"
[ "$(awk '/^PPid:/ { print $2 }' "/proc/$DAEMON/status")" = 1 ] || fail "it is somebody's child"
device_model=$(xenstore-read "/local/domain/$DOMAIN/image/device-model-pid")
grep -q fake_device_model "/proc/$device_model/cmdline" || fail "process $device_model is no device model"
# None but xl's arguments.
if tr '\0' '\n' <"/proc/$device_model/cmdline" | grep -q varstored; then fail "the device model got own options"; fi

say "reboot: another domain, the same variables; the daemon before does not hold it up"
before=$DOMAIN old_daemon=$DAEMON
echo 'shutdown 1 -> done' | guest
within 30 restarted || fail "no restart"
serving
[ "$DAEMON" != "$old_daemon" ] || fail "the same daemon"
if kill -0 "$old_daemon" 2>/dev/null; then fail "the daemon of the domain before still runs"; fi
guest <<END
get test:Kept               -> SUCCESS 7 text:kept
get test:Volatile           -> NOT_FOUND
set test:Volatile 6 text:second -> SUCCESS
END

say "save and restore: what is volatile is there, too"
quietly xl save vm /run/vm.saved
quietly xl restore /run/vm.saved
serving
[ ! -s "$folder/state" ] || fail "the saved state could be used again"
guest <<END
get test:Volatile           -> SUCCESS 6 text:second
set test:Kept 7 text:newer  -> SUCCESS
set test:Volatile 6 text:third -> SUCCESS
END

say "the same image once more: nothing that was acknowledged since is undone"
xl destroy vm
quietly xl restore /run/vm.saved
serving
guest <<END
get test:Kept               -> SUCCESS 7 text:newer
END

say "destroy and create: a state that an end has left is not resumed"
xl destroy vm
state_is_there() { [ -s "$folder/state" ]; }
within 15 state_is_there || fail "no state was saved"
xl create -q "$config"
serving
[ ! -s "$folder/state" ] || fail "the old state is still there"
guest <<END
get test:Kept               -> SUCCESS 7 text:newer
get test:Volatile           -> NOT_FOUND
END

say "a daemon that was killed has saved nothing: the restored guest has what the store has"
quietly xl save -p vm /run/vm.saved
kill -KILL "$DAEMON"
xl destroy vm
quietly xl restore /run/vm.saved
serving
guest <<END
get test:Kept               -> SUCCESS 7 text:newer
get global:PK               -> SUCCESS 27 file:$KEYS/PK.esl
END
grep -q 'resume' "$LOG" || fail "the log does not say that nothing was saved"
xl destroy vm
