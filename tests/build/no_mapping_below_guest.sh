#!/bin/sh
# usage: no_mapping_below_guest.sh GUEST_ARCHIVE ARCHIVE...
#
# Memory of the guest's is reached through guest::MappedPages, which is made of volatile objects. In
# GUEST_ARCHIVE the functions that copy it out and in have names that say so; no function in the other
# archives may take or return such a thing.
set -eu

mapping='MappedPages|volatile'
guest=$1
shift

if ! nm -C "$guest" | grep -Eq "$mapping"; then
  echo "$guest: no function copies shared pages, so this check looks for the wrong names" >&2
  exit 1
fi
for archive; do
  if nm -C "$archive" | grep -E "$mapping"; then
    echo "$archive: the names above see memory of the guest's" >&2
    exit 1
  fi
done
