# A live migration copies a domain's memory while it runs, and copies again what has changed since.
# Pages that hold an answer are among these, though the guest did not write them, and no others.
. /lib/testbed.sh

# expect_dirty PAGES: of the 16 shared pages, which the test guest has here.
expect_dirty() {
  dirty=$(dirty_pages "$DOMAIN" show 0x210 16)
  [ "$dirty" = "$1" ] || fail "changed pages: $dirty, not $1"
}

create_domain moving pvh
start_daemon --backend memory --auth-dir "$KEYS"
xl unpause "$DOMAIN"
guest <<'END'
set test:Empty 6 text:x             -> SUCCESS
set test:OnePage 6 pattern:4076     -> SUCCESS
set test:TwoPages 6 pattern:4077    -> SUCCESS
set test:ManyPages 6 pattern:50000  -> SUCCESS
END

dirty_pages "$DOMAIN" watch
expect_dirty 0000000000000000
echo 'get test:Empty size=0 -> BUFFER_TOO_SMALL 1 6' | guest
expect_dirty 1000000000000000

dirty_pages "$DOMAIN" watch
echo 'get test:OnePage -> SUCCESS 6 pattern:4076' | guest
expect_dirty 1000000000000000

dirty_pages "$DOMAIN" watch
echo 'get test:TwoPages -> SUCCESS 6 pattern:4077' | guest
expect_dirty 1100000000000000

dirty_pages "$DOMAIN" watch
echo 'get test:ManyPages -> SUCCESS 6 pattern:50000' | guest
expect_dirty 1111111111111000
stop_daemon
