# Real firmware, with Secure Boot: the first boot has the host's keys; a boot loader and a program that db's signer
# has signed start, and one without a signature, one of a stranger's and one in dbx do not. The host is told.
. /lib/testbed.sh
. /lib/firmware.sh

configure_firmware_domain
xl create -q "$config"
# shellcheck disable=SC2034  # for the functions of the testbed
DOMAIN=$(xl domid vm)

await 'TEST: the boot loader runs'
await 'TEST: boot 1, stored: Success'
await 'TEST: SecureBoot: 1'
await 'TEST: SetupMode: 0'
await 'TEST: .programs.signed.efi: started, Success'
for program in unsigned stranger revoked; do
  await "TEST: .programs.$program.efi: refused, (Access Denied|Security Violation)"
done
await 'TEST: waiting'
varstore-inspect --live "$uuid" >/out/inspected
await 'TEST: end'
within 60 gone || fail "the VM does not end"
if grep -qE 'TEST: .programs.(unsigned|stranger|revoked).efi: (loaded|started)' "$SCREEN"; then
  fail "the firmware let a forbidden program in"
fi
grep 'secure-boot-refusal: ' "$LOG" || fail "the host's log does not tell of the refusal"
grep 'NotifySecureBootFai.*Success' /out/inspected || fail "varstore-inspect --live does not tell of the refusal"
