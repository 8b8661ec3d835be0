#!/bin/sh
# Makes the keys and certificates of the tests of the signer, as an administrator does: usage: make_keys.sh FOLDER
# Once for a build: a key takes as long as ten tests.
set -eu
rm -rf -- "$1"
mkdir -- "$1"
cd "$1"

make() {
  name=$1
  shift
  openssl req -x509 -nodes -sha256 -days 3650 -subj "/O=Example/CN=$name" \
    -keyout "$name.key" -out "$name.pem" "$@" 2>>log || {
    cat log >&2
    exit 1
  }
  openssl x509 -in "$name.pem" -outform DER -out "$name.der"
}
make PK -newkey rsa:2048
make KEK -newkey rsa:2048
make vendor -newkey rsa:2048
make small -newkey rsa:1024
make ec -newkey ec -pkeyopt ec_paramgen_curve:P-256
openssl pkey -in PK.key -aes256 -passout pass:secret -out PK-locked.key
