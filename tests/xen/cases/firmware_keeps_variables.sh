# Real firmware, with the host's keys and Secure Boot off: the shell reads and writes variables, they are there after a
# reboot, the host sees them, and every program starts. Its varstored is killed in the middle of the second boot, which
# goes on with the next one. The one case with this firmware in a plain ./check.
. /lib/testbed.sh
. /lib/firmware.sh

daemon_gone() {
  ! kill -0 "$pid"
}

configure_firmware_domain --varstored-secure-boot=no
xl create -q "$config"
first=$(xl domid vm)

await 'FIRST BOOT'
await '(^|[^n])signed.efi status 0x0'
await 'unsigned.efi status 0x0'
await 'stranger.efi status 0x0'
await 'revoked.efi status 0x0'
await 'REBOOT'
# The firmware has found its console, and has its boot options before it. Between the two domains there is none, and
# until the second one is served the daemon of the first may still answer.
asked() {
  DOMAIN=$(xl domid vm) && [ "$DOMAIN" != "$first" ] && ready &&
    varstore-ls --live "$uuid" | grep -q ' ConOutDev$' && return
  sleep 1  # each look takes time away from the guest
  false
}
within 240 asked || fail "no second boot by xl"
varstore-ls --live "$uuid" | grep -q ' BootOptionSupport$' || fail "the firmware cannot write what it locks for others"
pid=$(cat "/run/varstored/$uuid.pid")
kill -KILL "$pid"
within 10 daemon_gone || fail "varstored outlives SIGKILL"
varstored-attach vm
say "killed and started again"
await 'SECOND BOOT'
# This is for firmware alone.
await 'volatile: 0x0'
await '62 6C 75 65'
varstore-ls --live "$uuid" >/out/listed
grep -q ' Colour$' /out/listed || fail "varstore-ls --live does not show the variable"
await 'GOODBYE'
within 60 gone || fail "the VM does not end"
# Its varstored sees that up to 5 s later.
within 60 varstore-ls "/var/lib/varstored/$uuid/variables.sqlite" || fail "the store stays in use"
varstore-ls "/var/lib/varstored/$uuid/variables.sqlite" >/out/listed
for name in Colour PK KEK db dbx; do
  grep -q " $name\$" /out/listed || fail "$name is not in the store"
done
