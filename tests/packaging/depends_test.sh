#!/bin/sh
# The .debs ask for libraries in the loosest version that works, not for what is installed where they are built: usage:
# depends_test.sh SOURCE_FOLDER BUILD_FOLDER
set -eu

. "$(dirname "$0")/support.sh"
cd "$source_folder"
trap 'rm -rf "$work"' EXIT
command -v dpkg-query >/dev/null || skip "no dpkg"

# A version comes from a library's list of symbols, which says since when it has each, or from our own file. Else it is
# the one of the library's package on this machine.
depends=$(for deb in "$packages"/*.deb; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' | sed 's/^ *//' | sort -u)
[ -n "$depends" ] || fail "the .debs depend on nothing"
while IFS= read -r dependency; do
  package=${dependency%% *}
  if grep -qF " $dependency" packaging/deb/shlibs.local; then
    continue
  fi
  dpkg-query --control-path "$package" symbols 2>/dev/null | grep -q . ||
    fail "$dependency: $package has no list of symbols, and no line in packaging/deb/shlibs.local"
  version=$(echo "$dependency" | sed -n 's/.*(>= \(.*\))/\1/p')
  # shellcheck disable=SC2016  # a format of dpkg's
  installed=$(dpkg-query -W -f '${source:Upstream-Version}' "$package")
  # A point release of the library that is here would be there by chance.
  case $version in
    *+* | *~*) fail "$dependency: a point release (installed: $installed)" ;;
  esac
done <<END
$depends
END
# Each line of the file is used, so that none is left over.
while read -r _ _ dependency; do
  echo "$depends" | grep -qxF "$dependency" || fail "packaging/deb/shlibs.local: nothing depends on $dependency"
done <packaging/deb/shlibs.local
echo "$depends"
