# Pages stay mapped for the guest's next request. A guest that gives them away and gets others in
# their place is answered in those, whichever of the pages it is, and its memory is not held back.
# Xen tells the daemon of all that a guest can do here; what holds when it does not, or not in time,
# are the rules that KeptPagesTest (tests/guest) shows.
. /lib/testbed.sh

# expect_mappings COUNT: of the guest's pages, in the daemon. The page with the slots is one more.
expect_mappings() {
  mapped=$(($(grep -c /dev/xen/privcmd "/proc/$DAEMON/maps") - 1))
  [ $mapped = "$1" ] || fail "$mapped mappings of the guest's pages, not $1"
}

# after LINE...: lines of the script, and then calls of all sizes. The first one is the one that
# meets what the lines have left.
after() {
  for first in "get test:Large -> SUCCESS 7 pattern:50000" "get test:Small -> SUCCESS 7 text:small" \
    "set test:Large 7 pattern:50000 -> SUCCESS"; do
    for line in "$@" "$first" "get test:Small -> SUCCESS 7 text:small" \
      "set test:Small 7 text:other -> SUCCESS" "get test:Small -> SUCCESS 7 text:other" \
      "set test:Small 7 text:small -> SUCCESS" "get test:Large -> SUCCESS 7 pattern:50000"; do
      echo "$line"
    done
  done
}

create_domain balloon pvh
start_daemon --backend memory --auth-dir "$KEYS"
xl unpause "$DOMAIN"
expect_mappings 0
# Page 0x210 is the first of the guest's shared pages.
guest <<'END'
set test:Small 7 text:small       -> SUCCESS
set test:Large 7 pattern:50000    -> SUCCESS
get test:Small                    -> SUCCESS 7 text:small
END
expect_mappings 1

say "a balloon: Xen says so, and the pages are free before the guest goes on"
echo 'give-back 0x210 16 -> 16' | guest
expect_mappings 0
echo 'out 0x100 4 0x210 -> done' | guest
expect_mappings 0
{
  echo 'populate 0x210 16 -> 16'
  after
  after 'give-back 0x210 1 -> 1' 'populate 0x210 1 -> 1'
  after 'give-back 0x213 2 -> 2' 'populate 0x213 2 -> 2'
} | guest -q

say "other memory, without the balloon's call"
{
  after 'unmap 0x210 1 -> 1' 'populate 0x210 1 -> 1'
  after 'unmap 0x213 1 -> 1' 'populate 0x213 1 -> 1'
  after 'unmap 0x21f 1 -> 1' 'populate 0x21f 1 -> 1'
  after 'unmap 0x210 16 -> 16' 'populate 0x210 16 -> 16'
} | guest -q

say "gone: there is no request either"
expect_mappings 1
guest -q <<'END'
unmap 0x210 16                    -> 16
out 0x100 4 0x210                 -> done
END
expect_mappings 0
{
  echo 'populate 0x210 16 -> 16'
  after
} | guest -q

say "no more than four are kept"
for page in 0x300 0x310 0x320 0x330 0x340 0x350 0x360; do
  echo "out 0x100 4 $page -> done"
  echo 'get test:Small -> SUCCESS 7 text:small'
done | guest -q
expect_mappings 4

stop_daemon
