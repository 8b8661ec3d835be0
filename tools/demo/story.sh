# shellcheck shell=sh disable=SC1091,SC2034,SC2154  # what these files define and read
#
# The story of ./demo, told in the dom0 of a machine that tests/xen/run boots: a VM's Secure Boot keys,
# on a real Xen. Lines that begin with "demo " are for ./demo to show. It ends with an error when an
# answer is not the one that the story tells.
. /lib/testbed.sh
. /lib/demo.sh

# The guest calls the variable services. Each line of the input: what it does | what it is told |
# a command of guest_driver's with the answer that is meant by that. An answer that is told as
# "refused" is one that the story wants.
calls() {
  sed 's/ *| */|/g' >/run/calls
  cut -d '|' -f 3- /run/calls >/run/script
  guest -q </run/script >/run/answers || { cat /run/answers; fail "the guest got another answer"; }
  while IFS='|' read -r what told call; do
    case $told in
      refused) refused "$what" "${call##* }" ;;
      *) fact "$what" "$told" ;;
    esac
  done </run/calls
}

# served: the daemon of the domain is ready, since xl has returned.
served() {
  DOMAIN=$(xl domid vm1)
  DAEMON=$(xenstore-read "/local/domain/$DOMAIN/varstored-pid") || fail "nobody serves the domain"
  fact "domain $DOMAIN, served by" "varstored, process $DAEMON, user $(awk '/^Uid:/ { print $2 }' "/proc/$DAEMON/status")"
}

tell "The host's keys, and a VM's configuration for xl"
mkdir -p /etc/secureboot
cp "$KEYS"/PK.auth "$KEYS"/KEK.auth "$KEYS"/db.auth "$KEYS"/dbx.auth /etc/secureboot
fact "/etc/secureboot/PK.auth" "the certificate 'test PK'"
fact "/etc/secureboot/KEK.auth" "the certificate 'test KEK', signed by PK"
fact "/etc/secureboot/db.auth" "the certificate 'test db', signed by KEK"
fact "/etc/secureboot/dbx.auth" "one hash that may not start, signed by KEK"
configure_domain vm1 hvm
cat >>"$config" <<'END'
device_model_override = "/usr/sbin/varstored-dm"
device_model_args = [ "--varstored-option=--auth-dir=/etc/secureboot",
                      "--varstored-device-model=/usr/local/bin/fake_device_model" ]
END
mv "$config" /etc/xen/vm1.cfg
uuid=$(sed -n 's/^uuid = "\(.*\)"/\1/p' /etc/xen/vm1.cfg)
store=/var/lib/varstored/$uuid/variables.sqlite
note "/etc/xen/vm1.cfg is as usual, but for"
grep '^device_model_override' /etc/xen/vm1.cfg | tail -n 1 | sed 's/^/demo line /'

tell "A VM is powered on for the first time"
LOG=/var/log/xen/qemu-dm-vm1.log
note "xl starts varstored-dm, which starts varstored and waits until it is ready to serve"
shown xl create /etc/xen/vm1.cfg
served
calls <<END
keys are enrolled: PK, KEK, db, dbx | yes                 | get global:PK -> SUCCESS 27 file:$KEYS/PK.esl
its db                              | test db             | get security:db -> SUCCESS 27 file:$KEYS/db.esl
SetupMode                           | 0                   | get global:SetupMode -> SUCCESS 6 hex:00
SecureBoot                          | 1                   | get global:SecureBoot -> SUCCESS 6 hex:01
END

tell "Its operating system would like to trust one vendor more"
note "what the guest asks for, and what it is told"
calls <<END
trust 'test vendor', not signed     | refused             | set security:db 67 file:$KEYS/updated.esl -> SECURITY_VIOLATION
trust 'test vendor', signed by a stranger | refused       | set security:db 67 file:$KEYS/stranger.auth -> SECURITY_VIOLATION
its db                              | test db, as before  | get security:db -> SUCCESS 27 file:$KEYS/db.esl
trust 'test vendor', signed by 'test KEK' | SUCCESS       | set security:db 67 file:$KEYS/update.auth -> SUCCESS
its db                              | test db, test vendor | get security:db -> SUCCESS 27 file:$KEYS/updated.esl
END

tell "Malware would like to trust everybody"
calls <<END
SecureBoot = 0                      | refused             | set global:SecureBoot 6 hex:00 -> WRITE_PROTECTED
delete PK                           | refused             | set global:PK 27 - -> SECURITY_VIOLATION
SecureBoot                          | 1                   | get global:SecureBoot -> SUCCESS 6 hex:01
END

tell "Ordinary variables, and one that lives until power-off"
# EFI_LOAD_OPTION (UEFI 2.10, 3.1.3): active, "Linux", \EFI\BOOT\BOOTX64.EFI
option=0100000034004c0069006e00750078000000040430005c004500460049005c0042004f004f0054005c0042004f004f0054005800360034002e0045004600490000007fff0400
calls <<END
Boot0001 = Linux                    | SUCCESS             | set global:Boot0001 7 hex:$option -> SUCCESS
BootOrder = 0001                    | SUCCESS             | set global:BootOrder 7 hex:0100 -> SUCCESS
BootCurrent = 0001                  | SUCCESS             | set global:BootCurrent 6 hex:0100 -> SUCCESS
END

tell "The domain is destroyed, and created again"
before=$DAEMON
shown xl destroy vm1
shown xl create /etc/xen/vm1.cfg
served
[ "$DAEMON" != "$before" ] || fail "the same daemon"
calls <<END
its db                              | test db, test vendor | get security:db -> SUCCESS 27 file:$KEYS/updated.esl
SecureBoot                          | 1                   | get global:SecureBoot -> SUCCESS 6 hex:01
BootOrder                           | 0001                | get global:BootOrder -> SUCCESS 7 hex:0100
BootCurrent, which was volatile     | NOT_FOUND           | get global:BootCurrent -> NOT_FOUND
END

tell "Power off: the store, as the host sees it"
shown xl destroy vm1
within 15 daemon_ended || fail "varstored does not end"
# looked COMMAND...: shows a command and what it prints.
looked() {
  echo "demo command $*"
  status=0
  "$@" >/run/shown 2>&1 || status=$?
  while IFS= read -r line; do echo "demo line $line"; done </run/shown
  [ $status = 0 ] || fail "$1: exit status $status"
}

looked varstore-ls "$store"
grep -q ' BootOrder$' /run/shown || fail "BootOrder is not in the store"
looked varstore-inspect "$store"
grep -q 'Findings *none' /run/shown || fail "something is wrong with the store"
grep -q 'Boot0001  *Linux' /run/shown || fail "Boot0001 is not shown"
