# Real firmware whose host is silent: nobody serves the VM. It says so where one looks, and starts nothing.
. /lib/testbed.sh
. /lib/firmware.sh

configure_firmware_domain
sed -e 's/^device_model_override.*/device_model_override = "\/usr\/libexec\/xen-qemu-system-i386"/' \
  -e '/^device_model_args/d' "$config" >/run/silent.cfg
xl create -q -p /run/silent.cfg
xl unpause vm

await 'varstored: '
# It stays like this: a boot loader would be on the screen before long.
before=$(wc -c <"$SCREEN")
sleep 15
if seen 'TEST: '; then fail "the firmware started a program"; fi
say "the screen grew by $(($(wc -c <"$SCREEN") - before)) bytes"
xl dmesg | grep -a 'varstored: ' || fail "the hypervisor's log has no message"
xl destroy vm
