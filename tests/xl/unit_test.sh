#!/bin/sh
# unit_test.sh UNIT PROGRAM...: systemd understands the unit, with these programs in place of the
# installed ones, and what it may do stays as little as it is. So does the timer beside it, where there is one.
set -eu

command -v systemd-analyze >/dev/null || { echo "SKIP: there is no systemd-analyze"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unit=$work/$(basename "$1")
for file in "$1" "${1%.service}.timer"; do
  # It would look for installed man pages.
  [ ! -e "$file" ] || grep -v '^Documentation=' "$file" >"$work/$(basename "$file")"
done
shift
for program in "$@"; do
  grep -q "/usr/s\?bin/$(basename "$program") " "$unit" || { echo "the unit runs no $program"; exit 1; }
  sed -i "s#/usr/s\?bin/$(basename "$program") #$program #" "$unit"
done
systemd-analyze verify "$work"/varstored* >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
# What systemd does not know it ignores, with a line.
[ ! -s "$work/said" ] || { cat "$work/said"; exit 1; }
# Its exposure, from 0 to 100: what is left is what a daemon needs that gives up its rights itself.
systemd-analyze security --offline=true --threshold=47 "$unit" >"$work/said" 2>&1 ||
  { grep '✗' "$work/said"; tail -n 1 "$work/said"; exit 1; }
