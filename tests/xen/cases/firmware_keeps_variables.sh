# Real firmware, with Secure Boot off: the shell reads and writes variables, they are there after a reboot, the host
# sees them, and every program starts.
. /lib/testbed.sh
. /lib/firmware.sh

configure_firmware_domain --varstored-secure-boot=no
xl create -q "$config"
first=$(xl domid vm)

await 'FIRST BOOT'
await 'signed.efi -> 0x0'
await 'unsigned.efi -> 0x0'
await 'stranger.efi -> 0x0'
await 'revoked.efi -> 0x0'
await 'REBOOT'
await 'SECOND BOOT'
[ "$(xl domid vm)" != "$first" ] || fail "no reboot by xl: it is the same domain"
await '62 6C 75 65'
varstore-inspect --live "$uuid" >/out/inspected
grep -q 'Colour' /out/inspected || fail "varstore-inspect --live does not show the variable"
await 'GOODBYE'
within 60 gone || fail "the VM does not end"
varstore-inspect "/var/lib/varstored/$uuid/variables.sqlite" >/out/inspected
grep -q 'Colour' /out/inspected || fail "the variable is not in the store"
