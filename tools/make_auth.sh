#!/bin/sh
# usage: make_auth.sh OUT [CERTS]
#
# Makes OUT/PK.auth, KEK.auth, db.auth and dbx.auth, for the first boots of VMs, of what is in the folder
# CERTS: certs/README.md. Without CERTS, of keys for tests, which are made in OUT/test-keys.
# CREATE_AUTH names the program create-auth; without it, it is built.
set -eu

case $# in
  1 | 2) ;;
  *) echo "usage: make_auth.sh OUT [CERTS]" >&2; exit 2 ;;
esac
mkdir -p "$1"
out=$(cd "$1" && pwd)
certs=${2:-}
[ -z "$certs" ] || certs=$(cd "$certs" && pwd)
case ${CREATE_AUTH:-} in
  '' | /*) ;;
  *) CREATE_AUTH=$(pwd)/$CREATE_AUTH ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)

fail() {
  echo "make auth: $*" >&2
  exit 1
}

# A PK.auth among the certificates is what somebody has signed elsewhere, and would be replaced.
[ -z "$certs" ] || [ "$(cd "$certs" && pwd -P)" != "$(cd "$out" && pwd -P)" ] ||
  fail "OUT and CERTS are the same folder"

if [ -z "${CREATE_AUTH:-}" ]; then
  cd "$top"
  . packaging/front-door.sh
  mkdir -p build
  need_packages build test
  build dev create-auth
  CREATE_AUTH=$top/build/dev/bin/create-auth
fi

# make_test_key NAME: NAME.pem and NAME.key.
make_test_key() {
  openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=varstored test $1" \
    -keyout "$1.key" -out "$1.pem" 2>openssl.log || fail "openssl: $(cat openssl.log)"
  rm openssl.log
}

if [ -z "$certs" ]; then
  certs=$out/test-keys
  if [ -d "$certs" ]; then
    echo "the test keys in $certs are used again"
  else
    mkdir -m 700 "$certs"
    cd "$certs"
    for name in PK KEK db; do make_test_key $name; done
    # The hash of no bytes, which no program has: dbx must not be empty.
    echo "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" >dbx.txt
    cat >manifest.txt <<END
PK   required  -  PK.pem
KEK  required  -  KEK.pem
db   required  -  db.pem
dbx  required  -  dbx.txt
END
    echo "test keys are made in $certs: whoever has them owns the VMs that trust them"
  fi
fi

manifest=$top/certs/manifest.txt
[ ! -f "$certs/manifest.txt" ] || manifest=$certs/manifest.txt

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$certs"
find -L . -maxdepth 1 -type f -exec sha256sum {} + >"$work/digests"

# file_of DIGEST FILE: the file of a row of the manifest; nothing when there is none.
file_of() {
  if [ "$1" = - ]; then
    [ ! -f "$2" ] || printf '%s\n' "$2"
  else
    sed -n "s/^$1  //p" "$work/digests" | head -n 1
  fi
}

# Everything is looked for before anything is made.
wrong=0
while read -r variable need digest file rest || [ -n "$variable" ]; do
  case $variable in
    '' | '#'*) continue ;;
    PK | KEK | db | dbx) ;;
    *) fail "$manifest: '$variable' is none of PK, KEK, db, dbx" ;;
  esac
  case $need in
    required | optional) ;;
    *) fail "$manifest: '$need' is neither required nor optional" ;;
  esac
  { [ -n "$file" ] && [ -z "$rest" ]; } || fail "$manifest: a row has four words: $variable $need $digest $file $rest"
  [ "$variable" != PK ] || [ ! -f PK.auth ] || continue
  found=$(file_of "$digest" "$file")
  if [ -n "$found" ]; then
    printf '%s\n' "$found" >>"$work/$variable"
  elif [ -f "$file" ]; then
    echo "make auth: $certs/$file: wrong SHA-256, it has to be $digest" >&2
    wrong=1
  elif [ "$need" = required ]; then
    echo "make auth: $certs/$file is missing, for $variable$([ "$digest" = - ] || echo " (SHA-256 $digest)")" >&2
    wrong=1
  else
    echo "$variable: without $file, which is optional"
  fi
done <"$manifest"
[ $wrong = 0 ] || fail "nothing was made; certs/README.md says where certificates are published, docs/keys.md how to make a PK"

signed=
if [ -f PK.key ] && [ -f PK.pem ]; then
  signed=yes
elif [ -f PK.auth ]; then
  echo "without PK.key, KEK.auth, db.auth and dbx.auth are not signed: they do for first boots only"
else
  fail "$certs has neither PK.key nor PK.auth; docs/keys.md says how to make them"
fi

# All four are made before the first one is put in place: a set that is half of another one would be
# worse than the one before.
new=$(mktemp -d "$out/new.XXXXXX")
trap 'rm -rf "$work" "$new"' EXIT

# make_file NAME [OPTION]...: NAME.auth of the files found; none when there are none.
make_file() {
  name=$1
  shift
  [ -f "$work/$name" ] || return 0
  [ -z "$signed" ] || set -- "$@" -k PK.key -c PK.pem
  # The names go behind the options, whatever characters are in them.
  set -- "$@" "$name" "$new/$name.auth"
  while read -r input; do set -- "$@" "$input"; done <"$work/$name"
  "$CREATE_AUTH" "$@"
}

make_file dbx -a
make_file db
make_file KEK
if [ -f PK.auth ]; then cp PK.auth "$new/PK.auth"; else make_file PK; fi

# PK ends a VM's setup mode, so it comes last here as well.
rm -f "$out/PK.auth"
for name in dbx db KEK PK; do
  if [ -f "$new/$name.auth" ]; then
    mv "$new/$name.auth" "$out/$name.auth"
    echo "$out/$name.auth: $(wc -c <"$out/$name.auth") bytes"
  else
    rm -f "$out/$name.auth"
    echo "$name: nothing for it, so there is no $name.auth"
  fi
done
