# Debian's kernel on real firmware, with Secure Boot: the kernel and mokutil say that it is on.
. /lib/testbed.sh
. /lib/firmware.sh

configure_firmware_domain
xl create -q "$config"
await 'TEST: kernel: secureboot: Secure boot enabled'
await 'TEST: mokutil: SecureBoot enabled'
await 'TEST: end'
within 60 gone || fail "the VM does not end"
