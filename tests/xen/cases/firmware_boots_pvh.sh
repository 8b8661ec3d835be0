# Real firmware as the kernel of a PVH guest, which has no device model and no PC's devices, with Secure Boot: its
# varstored is attached to the paused VM; of two boot loaders the one that is not signed is refused, and the other
# starts; so do programs. The variable that it wrote is in the store, and the VM switches itself off.
. /lib/testbed.sh
. /lib/firmware.sh

config=/run/vm.cfg
uuid=$(cat /proc/sys/kernel/random/uuid)
# xl starts QEMU for it, too, but only to serve the disks.
cat >"$config" <<END
uuid = "$uuid"
type = "pvh"
kernel = "/test/OVMF.fd"
disk = [ "format=raw, vdev=xvda, access=rw, backendtype=qdisk, target=/test/foreign.img",
         "format=raw, vdev=xvdb, access=rw, backendtype=qdisk, target=/test/disk.img" ]
END
firmware_guest_settings | grep -v '^vnc\|^usb\|^on_reboot' >>"$config"
echo 'on_reboot = "destroy"' >>"$config"
xl create -q -p "$config"
varstored-attach vm -- --auth-dir /test/keys
xl unpause vm
say "the VM runs"

await 'BdsDxe: failed to load .*: (Access Denied|Security Violation)'
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
grep '^ *Secure Boot  *on$' /out/inspected || fail "varstore-inspect --live does not say that Secure Boot is on"
await 'TEST: end'
within 60 gone || fail "the VM does not end"
# Its varstored sees that up to 5 s later.
within 60 varstore-ls "/var/lib/varstored/$uuid/variables.sqlite" || fail "the store stays in use"
varstore-ls "/var/lib/varstored/$uuid/variables.sqlite" >/out/listed
grep -q ' Boots$' /out/listed || fail "the variable is not in the store"
