# A VM with all keys and Secure Boot off: Debian's kernel starts from an image that nobody has signed, says that it is off,
# and is reset by the firmware. With Secure Boot on, the same VM does not start an image of a signer that dbx has.
. /lib/testbed.sh
. /lib/firmware.sh

refused='BdsDxe: failed to load .*: (Access Denied|Security Violation)'
configure_firmware_domain --varstored-secure-boot=no
sed -i 's/^on_reboot.*/on_reboot = "preserve"/' "$config"
xl create -q "$config"
domain=$(xl domid vm)
await "TEST: reset|Kernel panic|$refused"
ended=$(wait_for_domain "$domain" 60)
[ "$ended" = reboot ] || fail "the VM is not reset: $ended"
# QEMU says this when the guest has used one of its ports for that.
if grep 'Issued domain' "$LOG"; then fail "a device has reset the VM, and not the firmware"; fi
sed -n 's/\r//g; s/.*TEST: //p' "$SCREEN" >/out/told
diff - /out/told <<'END' || fail "the guest tells other things than it should (+)"
kernel: secureboot: Secure boot disabled
locked down: 0
mokutil: SecureBoot disabled
PK: PK, db: db, dbx: db
reset
END
xl destroy vm

sed -i -e 's/secure-boot=no/secure-boot=yes/' -e 's/disk.img/revoked.img/' "$config"
within 60 xl create -q "$config" || fail "the VM cannot be created again"
await "$refused|TEST: kernel: .* enabled"
within 60 grep 'secure-boot-refusal: ' "$LOG" || fail "the host's log does not tell of the refusal"
[ "$(grep -c 'TEST: ' "$SCREEN")" = "$(wc -l </out/told)" ] || fail "an image is started whose signer dbx has"
xl destroy vm
