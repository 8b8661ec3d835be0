#!/bin/sh
# A small Debian in a folder, with what the .deb depends on: usage: debootstrap.sh SOURCE_FOLDER BUILD_FOLDER
# It comes from where this machine's packages come from. Made once, and again when the list changes.
set -eu

. "$(dirname "$0")/support.sh"
trap 'rm -rf "$work"' EXIT
need_root

# The stamp says that it is whole, and for which list: that of another goes before anything can fail.
made=$build/packaging/debian
wanted=$(for package in "$packages"/*.deb; do dpkg-deb -f "$package" Depends; done)
[ "$(cat "$made.stamp" 2>/dev/null)" != "$wanted" ] || exit 0
rm -f "$made.stamp"
rm -rf "$made"
command -v debootstrap >/dev/null || skip "no debootstrap"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] || skip "the packages are built on Debian 12 (bookworm), not here"
mkdir -p "$made"

# or_skip COMMAND...: skips when the command fails.
or_skip() {
  "$@" >"$work/log" 2>&1 || {
    rm -rf "$made"
    tail -n 20 "$work/log"
    skip "a Debian cannot be made in a folder: $(grep '^E:' "$work/log" | head -n 1)"
  }
}
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $codename" \
  'Component: main' | head -n 1)
or_skip debootstrap --variant=minbase "$codename" "$made" "${mirror:-http://deb.debian.org/debian}"

# What the packages need may be newer than that, from another mirror: apt knows where.
mkdir -p "$made/debs/partial"
or_skip apt-get -q -y --no-install-recommends --download-only -o Debug::NoLocking=1 \
  -o Dir::State::status="$made/var/lib/dpkg/status" -o Dir::Cache::archives="$made/debs" \
  -o APT::Sandbox::User=root install "$packages"/*.deb
or_skip chroot "$made" env PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'dpkg --force-unsafe-io -i /debs/*.deb'
rm -rf "$made/debs" "$made"/var/cache/apt/archives/*.deb "$made"/var/lib/apt/lists/*
echo "$wanted" >"$made.stamp"
