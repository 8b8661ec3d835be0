# shellcheck shell=sh disable=SC2034  # variables of the one who sources it
#
# What the tests of the packages share. Sourced with $1: the root of the tree, $2: the build folder of
# the tests.

source_folder=$1 build=$2
packages=$source_folder/build/packages
work=$(mktemp -d)

# rpm and rpmlint keep things at home, where a test has nothing to leave.
HOME=$work
export HOME

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# skip REASON: where REQUIRE_PACKAGING=1 is set that is a failure.
skip() {
  echo "SKIP: $*"
  [ "${REQUIRE_PACKAGING:-}" != 1 ] || fail "REQUIRE_PACKAGING=1: a skip is a failure"
  exit 77
}

need_root() {
  [ "$(id -u)" = 0 ] || skip "only root can change the root folder"
}

# CTest runs also a test whose fixture was skipped.
need_debian() {
  [ -f "$build/packaging/debian.stamp" ] || skip "no Debian in a folder: packaging.ADebianIsThere says why"
}
