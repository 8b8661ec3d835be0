#!/bin/sh
# The packages keep the rules of their distributions, but for the exceptions of packaging/lint: usage:
# rules_test.sh SOURCE_FOLDER BUILD_FOLDER
set -eu

. "$(dirname "$0")/support.sh"
cd "$source_folder"
trap 'rm -rf "$work"' EXIT
for program in lintian rpmlint; do
  command -v "$program" >/dev/null || skip "no $program"
done

lintian --fail-on error,warning --allow-root "$packages"/*.deb >"$work/out" 2>"$work/err" || {
  cat "$work/out" "$work/err"
  fail "lintian"
}
rpmlint -c packaging/lint/rpmlint.toml "$packages"/*.rpm >"$work/out" 2>&1 || :
grep -q ' 0 errors, 0 warnings' "$work/out" || {
  cat "$work/out"
  fail "rpmlint"
}

# One version, wherever it is written.
version=$(sed -n 's/^project(varstored VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
[ -n "$version" ] || fail "CMakeLists.txt names no version"
for line in "packaging/deb/changelog:varstored ($version-" "packaging/rpm/changelog::$version-" "CHANGELOG.md:## $version"; do
  grep -qF "${line#*:}" "${line%%:*}" || fail "${line%%:*} does not say '${line#*:}'"
done

# At most five, here and there, and each has a reason above it.
exceptions=$({
  sed -n "s/^ *'\([a-z-]*\).*/\1/p" packaging/lint/rpmlint.toml
  sed -n 's/^[a-z-]*: \([a-z-]*\).*/\1/p' packaging/lint/*.lintian-overrides
} | sort -u)
[ "$(echo "$exceptions" | wc -l)" -le 5 ] || fail "more than five exceptions: $exceptions"

# Each key of the configuration is there, as a comment, and with a value that the daemon takes.
sed -n 's/^#\([a-z-]* = .*\)/\1/p' packaging/varstored.conf >"$work/keys"
! grep -v '^#' packaging/varstored.conf | grep -q . || fail "a key is no comment"
documented=$(sed -n '/^The keys are /,/^$/p' docs/toolstack.md | tr '\n' ' ' | sed 's/, with the meaning.*//' |
  grep -o '`[a-z-]*`' | tr -d '`' | sort)
[ "$(sed 's/ = .*//' "$work/keys" | sort)" = "$documented" ] || fail "the keys of varstored.conf are not those of docs/toolstack.md"
sed -i "s|/var/lib/varstored|$work|; s|/run/varstored/live|$work/live|" "$work/keys"
echo 'wrong = yes' >>"$work/keys"
"$build/bin/varstored-loopback" --listen "$work/guest" --backend memory --config "$work/keys" 2>"$work/err" &&
  fail "a wrong key is taken"
grep -q ":$(wc -l <"$work/keys"): .*wrong" "$work/err" || fail "varstored.conf is not understood: $(cat "$work/err")"
echo "kept, with these exceptions:"
echo "$exceptions"
