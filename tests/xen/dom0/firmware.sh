# shellcheck shell=sh disable=SC2034,SC2154  # variables of and for the one who sources it
#
# For cases with a real firmware, sourced behind testbed.sh. Their programs, keys and disk come from
# make_firmware_disk, and are in /test.

SCREEN=/var/log/xen/guest-vm.log     # what the guest writes to Xen's console
LOG=/var/log/xen/qemu-dm-vm.log      # what varstored and the device model say

# configure_firmware_domain [OPTION OF VARSTORED-DM...]: writes the file $config for a VM that boots
# build/firmware/OVMF.fd with Debian's QEMU, its keys those in /test/keys.
configure_firmware_domain() {
  config=/run/vm.cfg
  uuid=$(cat /proc/sys/kernel/random/uuid)
  arguments='"--varstored-option=--auth-dir=/test/keys"'
  for option in "$@"; do arguments="$arguments, \"$option\""; done
  cat >"$config" <<END
uuid = "$uuid"
type = "hvm"
bios = "ovmf"
bios_path_override = "/test/OVMF.fd"
device_model_version = "qemu-xen"
device_model_override = "/usr/sbin/varstored-dm"
device_model_args = [ $arguments ]
disk = [ "format=raw, vdev=xvde, access=rw, backendtype=qdisk, target=/test/disk.img" ]
vga = "none"
END
  firmware_guest_settings >>"$config"
}

# firmware_guest_settings: prints what the configuration of each of these VMs has. A reboot restarts it. It has no device
# whose registers are asked again and again: each such question is an exit to the device model, of which an emulated
# machine makes a few hundred a second. So its console is Xen's, in shared memory, and not a serial port, which the
# firmware asks for keys 50 times a second; its disk is Xen's alone; and a timer interrupt that comes too late is not
# made up for, which on a busy machine would leave time for nothing else.
firmware_guest_settings() {
  cat <<'END'
name = "vm"
memory = 256
vnc = 0
usb = 0
timer_mode = "no_missed_ticks_pending"
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "destroy"
END
}

seen() {
  grep -qE "$1" "$SCREEN" 2>/dev/null
}

# await PATTERN [SECONDS]: waits for a line on the guest's screen. How long a boot takes depends on what else the
# machine does, so it is bounded by progress: within SECONDS (600) something new has to be there.
await() {
  before='' idle=0
  until seen "$1"; do
    now=$(wc -c "$SCREEN" 2>/dev/null) || :
    idle=$((idle + 2))
    [ "$now" = "$before" ] || idle=0
    [ $idle -lt "${2:-600}" ] || fail "the guest stands still, and has not said '$1'"
    before=$now
    sleep 2
  done
  say "$(grep -m 1 -oE "$1" "$SCREEN")"
}

gone() {
  ! xl domid vm
}

# What is on the screen when a case fails, without the terminal's control sequences.
show_screen() {
  status=$?
  if [ $status != 0 ]; then
    echo "---- the screen"
    sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g' "$SCREEN" 2>/dev/null | tr -d '\r' | grep -v '^ *$' | tail -n 40
    echo "---- $LOG"
    tail -n 20 "$LOG"
  fi
}
trap show_screen EXIT
