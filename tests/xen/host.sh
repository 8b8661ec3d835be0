# shellcheck shell=sh disable=SC2034,SC2154  # variables of and for the one who sources it
#
# What build-testbed and run share.

# use_testbed FOLDER: where the unpacked packages and the images are, made when it is missing.
use_testbed() {
  mkdir -p "$1"
  testbed=$(cd "$1" && pwd)
  packages=$testbed/packages
  images=$testbed/images
  libraries=$packages/usr/lib/x86_64-linux-gnu
  loader=$libraries/ld-linux-x86-64.so.2
  busybox=$packages/usr/bin/busybox
}

# skip REASON: this machine cannot run the tests. That is a failure where REQUIRE_XEN=1 is set.
skip() {
  echo "SKIP: $*"
  [ "${REQUIRE_XEN:-}" != 1 ] || { echo "REQUIRE_XEN=1: so this is a failure"; exit 1; }
  exit 77
}

# stage_program STAGE FILE DEST: copies a program into the folder tree STAGE as DEST, with the
# libraries that it needs. They come from the unpacked packages only, never from this machine. A static
# program needs none.
stage_program() {
  mkdir -p "$(dirname "$1/$3")" "$1/usr/lib/x86_64-linux-gnu" "$1/usr/lib64"
  cp -L "$2" "$1/$3"
  # Debug information is most of a program here, and dom0 unpacks it into its memory.
  if readelf -h "$2" >/dev/null 2>&1; then strip --strip-debug "$1/$3"; fi
  readelf -lW "$2" | grep -q INTERP || return 0
  cp -L "$loader" "$1/usr/lib64/"
  stage_libraries "$1" "$2"
}

# stage_libraries STAGE FILE: copies the libraries that a program or a library needs.
stage_libraries() {
  needed=$("$loader" --library-path "$libraries" --list "$2") || {
    echo "$2: no program for Debian 12 on amd64" >&2
    return 1
  }
  echo "$needed" | while read -r name arrow path _; do
    [ "$arrow" = "=>" ] || continue  # the kernel's own, and the loader
    case $path in
      "$packages"/*) ;;
      *) echo "$2 needs $name: add its package to tests/xen/packages.txt" >&2; return 1 ;;
    esac
    [ -e "$1/usr/lib/x86_64-linux-gnu/$name" ] || cp -L "$path" "$1/usr/lib/x86_64-linux-gnu/"
  done
}

# pack STAGE: the folder tree as an archive for the kernel's initramfs, on standard output. The
# kernel takes several such archives one behind the other, so images are put together by `cat`.
pack() {
  (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null)
}
