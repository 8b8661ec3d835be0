#!/bin/sh
# What efitools and sbsigntool make goes through varstore-set, and what varstore-get gives, they read.
#   interop_test.sh FOLDER-OF-THE-TOOLS
set -eu

PATH=$1:$PATH
global=8be4df61-93ca-11d2-aa0d-00e098032b8c
database=d719b2cb-3d3a-4596-a3bc-dad00e67656f
vendor=12345678-1234-1234-1234-123456789abc
owner=77fa9abd-0359-4d32-bd60-28f4e78f784b

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
  echo "$*" >&2
  exit 1
}

# refused STATUS WORD...: the call fails with that status.
refused() {
  status=$1
  shift
  "$@" >said 2>&1 && fail "taken: $*"
  grep -q ": $status (" said || fail "refused, but not with $status: $* $(cat said)"
}

# stored GUID NAME FILE: the variable's data are that file.
stored() {
  varstore-get store "$1" "$2" | cmp - "$3" || fail "$2 is not $3"
}

for name in PK KEK db other; do
  openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=Test $name" \
    -keyout $name.key -out $name.pem 2>/dev/null
  openssl x509 -in $name.pem -outform DER -out $name.der
  cert-to-efi-sig-list -g $owner $name.pem $name.esl
done

# A store without a variable: docs/formats.md.
{
  printf 'VARS\002'
  head -c 287 /dev/zero
} >store

# efitools, in the order of a first boot.
sign-efi-sig-list -t '2024-01-01 00:00:00' -k KEK.key -c KEK.pem db db.esl db.auth >/dev/null
sign-efi-sig-list -t '2024-01-01 00:00:00' -k PK.key -c PK.pem KEK KEK.esl KEK.auth >/dev/null
sign-efi-sig-list -t '2024-01-01 00:00:00' -k PK.key -c PK.pem PK PK.esl PK.auth >/dev/null
varstore-set store $database db 0x27 db.auth
varstore-set store $global KEK 0x27 KEK.auth
varstore-set store $global PK 0x27 PK.auth
stored $database db db.esl
stored $global KEK KEK.esl
stored $global PK PK.esl

# An append, and once more: what is there already is not stored twice.
sign-efi-sig-list -a -t '2024-01-02 00:00:00' -k KEK.key -c KEK.pem db other.esl append.auth >/dev/null
cat db.esl other.esl >both.esl
varstore-set store $database db 0x67 append.auth
stored $database db both.esl
varstore-set store $database db 0x67 append.auth
stored $database db both.esl

# And they read what is stored.
varstore-get store $database db >read.esl
sig-list-to-certs read.esl read >/dev/null
cmp read-0.der db.der
cmp read-1.der other.der

# sbsigntool's lists are the same; its hashes are taken behind somebody else's signature.
sbsiglist --owner $owner --type x509 --output sb.esl db.der
cmp sb.esl db.esl
printf '0123456789abcdef0123456789abcdef' >hash.bin
sbsiglist --owner $owner --type sha256 --output dbx.esl hash.bin
sign-efi-sig-list -a -t '2024-01-03 00:00:00' -k KEK.key -c KEK.pem dbx dbx.esl dbx.auth >/dev/null
varstore-set store $database dbx 0x67 dbx.auth
stored $database dbx dbx.esl

# A private variable needs a signature, also from a tool: a good one is taken, a changed one is not.
printf 'content' >content
sign-efi-sig-list -g $vendor -t '2024-01-01 00:00:00' -k db.key -c db.pem Mine content mine.auth >/dev/null
varstore-set store $vendor Mine 0x27 mine.auth
stored $vendor Mine content
printf 'Content' | dd of=mine.auth bs=1 seek=$(($(wc -c <mine.auth) - 7)) conv=notrunc 2>/dev/null
refused 'Security Violation' varstore-set store $vendor Mine 0x27 mine.auth
stored $vendor Mine content

# sbvarsign, unless it is told otherwise, signs for an append, which is no good for a set.
printf 'another' >another
sbvarsign --key db.key --cert db.pem --guid $vendor --output sb.auth Mine another
refused 'Security Violation' varstore-set store $vendor Mine 0x27 sb.auth
stored $vendor Mine content
sbvarsign --key db.key --cert db.pem --guid $vendor --output sb.auth \
  --attr NON_VOLATILE,BOOTSERVICE_ACCESS,RUNTIME_ACCESS Mine another
varstore-set store $vendor Mine 0x27 sb.auth
stored $vendor Mine another

# Keys of its owner only are nobody's business, and the mode follows PK.
[ "$(varstore-nvram-certcheck store)" = update_ok ] || fail "certcheck"
varstore-rm store $global PK
[ "$(varstore-get store $global SetupMode | od -An -tu1)" -eq 1 ] || fail "not in setup mode"
echo passed
