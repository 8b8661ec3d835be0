# shellcheck shell=sh disable=SC1091,SC2034,SC2154  # what these files define and read
#
# The story of ./demo --firmware, told in the dom0 of a machine that tests/xen/run boots: a VM that boots for real, with
# Secure Boot. Lines that begin with "demo " are for ./demo to show. It ends with an error when it is not true.
. /lib/testbed.sh
. /lib/firmware.sh
. /lib/demo.sh

tell "The host's keys, and a VM with two disks"
# Everything is as docs/xl.md tells it, but what this small host has not: memory, a volume group and a bridge.
mkdir -p /usr/share/varstored /var/lib/varstored
cp /test/OVMF.fd /usr/share/varstored
cp /test/keys/*.auth /var/lib/varstored
config=/etc/xen/vm1.cfg
sed -n '/^`\/etc\/xen\/vm1.cfg`:$/,/^\*\*/s/^    //p' /test/page >"$config"
grep '^bios_path_override\|^device_model_' "$config" | sed 's/ *#.*//; s/^/demo line /'
uuid=$(sed -n 's/^uuid = "\([^"]*\)".*/\1/p' "$config")
firmware_guest_settings >>"$config"
cat >>"$config" <<'END'
vcpus = 1
vif = []
vga = "stdvga"
disk = [ "format=raw, vdev=xvde, access=rw, backendtype=qdisk, target=/test/foreign.img",
         "format=raw, vdev=xvdf, access=rw, backendtype=qdisk, target=/test/disk.img" ]
END
fact "db, whom the host's VMs trust" "the certificate 'test db'"
fact "xvde has a boot loader that is" "not signed"
fact "xvdf has a boot loader that is" "signed by 'test db'"
note "the firmware is build/firmware/OVMF.fd, the device model Debian's QEMU"

tell "The VM is powered on"
shown xl create -q "$config"
DOMAIN=$(xl domid vm)
fact "domain $DOMAIN, served by" "varstored, process $(xenstore-read "/local/domain/$DOMAIN/varstored-pid")"
note "the firmware runs in a VM of an emulated computer: a minute, and four on a busy machine"

tell "Its firmware looks for a boot loader"
await 'BdsDxe: failed to load .*: (Access Denied|Security Violation)'
refused "the one of xvde" "Access Denied"
await 'TEST: the boot loader runs'
fact "the one of xvdf" "starts"
await 'TEST: boot 1, stored: Success'
fact "it counts its boots in a variable that lasts" "SUCCESS"
await 'TEST: SecureBoot: 1'
fact "SecureBoot" "1"
await 'TEST: SetupMode: 0'
fact "SetupMode" "0"

tell "The boot loader starts what is on its disk"
await 'TEST: .programs.signed.efi: started, Success'
fact "a program signed by 'test db'" "starts"
for program in 'unsigned|not signed' 'stranger|signed by a stranger' 'revoked|signed by test db, and revoked in dbx'; do
  await "TEST: .programs.${program%|*}.efi: refused, (Access Denied|Security Violation)"
  refused "a program ${program#*|}" "Access Denied"
done

tell "What the host knows of it"
await 'TEST: waiting'
xl qemu-monitor-command vm "screendump /out/screen.ppm"
varstore-inspect --live "$uuid" >/out/inspected
grep '^ *Secure Boot  *on$' /out/inspected || fail "varstore-inspect --live does not say that Secure Boot is on"
grep 'NotifySecureBootFai.*Success' /out/inspected || fail "varstore-inspect --live does not tell of the refusal"
await 'TEST: end'
within 60 gone || fail "the VM does not end"
if grep -qE 'TEST: .programs.(unsigned|stranger|revoked).efi: (loaded|started)' "$SCREEN"; then
  fail "the firmware let a forbidden program in"
fi
grep -m 1 'secure-boot-refusal: ' "$LOG" >/run/told || fail "the host's log does not tell of the refusal"
echo "demo line $(cat /run/told)"
fact "the VM" "has switched itself off"
[ "$(tr -d '\000' </out/screen.ppm | wc -c)" -gt 10000 ] || fail "there is nothing on the picture of the screen"
