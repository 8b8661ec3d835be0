# Debian's kernel on real firmware, with Secure Boot: its own tools read and write variables, which are there after
# a reboot; keys change only by who may change them; and a kernel that db does not know is not started.
. /lib/testbed.sh
. /lib/firmware.sh

# expect PATTERN: as await; a kernel that has stopped is started again and again, and nothing more comes.
expect() {
  await "$1|Kernel panic"
  ! seen 'Kernel panic' || fail "the guest's kernel has stopped"
}

configure_firmware_domain
xl create -q "$config"

expect 'TEST: boot 1'
expect 'TEST: reboot'
# The newest boot entry comes first: the kernel without the test's signature.
expect '(failed to load|starting) Boot.* "Not in db"'
seen 'failed to load Boot.* "Not in db".*: Access Denied' || fail "a kernel is started that db does not know"
expect 'TEST: boot 2'
expect 'TEST: end'
within 60 gone || fail "the VM does not end"

sed -n 's/\r//g; s/.*TEST: //p' "$SCREEN" >/out/told
diff /test/told /out/told || fail "the guest tells other things than it should (>)"
grep 'secure-boot-refusal: ' "$LOG" || fail "the host's log does not tell of the refusal"

# On the host, once its varstored has seen the end.
store=/var/lib/varstored/$uuid/variables.sqlite
within 60 varstore-ls "$store" || fail "the store stays in use"
varstore-ls "$store" >/out/listed
for name in Kept Big myvariable PK KEK dbx BootOrder; do
  grep -q " $name\$" /out/listed || fail "the store has no $name"
done
if grep -qE ' (Colour|db)$' /out/listed; then fail "the store has what the guest deleted"; fi
