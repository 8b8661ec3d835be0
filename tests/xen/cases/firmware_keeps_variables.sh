# Real firmware, with Secure Boot off: the shell reads and writes variables, they are there after a reboot, the host
# sees them, and every program starts.
. /lib/testbed.sh
. /lib/firmware.sh

configure_firmware_domain --varstored-secure-boot=no
xl create -q "$config"
first=$(xl domid vm)

await 'FIRST BOOT'
await '(^|[^n])signed.efi status 0x0'
await 'unsigned.efi status 0x0'
await 'stranger.efi status 0x0'
await 'revoked.efi status 0x0'
await 'REBOOT'
await 'SECOND BOOT'
[ "$(xl domid vm)" != "$first" ] || fail "no reboot by xl: it is the same domain"
await '62 6C 75 65'
varstore-ls --live "$uuid" >/out/listed
grep -q ' Colour$' /out/listed || fail "varstore-ls --live does not show the variable"
await 'GOODBYE'
within 60 gone || fail "the VM does not end"
# Its varstored sees that up to 5 s later.
within 60 varstore-ls "/var/lib/varstored/$uuid/variables.sqlite" || fail "the store stays in use"
varstore-ls "/var/lib/varstored/$uuid/variables.sqlite" >/out/listed
grep -q ' Colour$' /out/listed || fail "the variable is not in the store"
