# Daemon and domain come and go: a killed daemon is replaced, a domain that is gone ends its daemon,
# one that is merely shut down does not.
. /lib/testbed.sh

say "a domain that shuts down may yet be looked at or resumed: its daemon stays"
create_domain shut pvh
start_daemon --backend memory --auth-dir "$KEYS"
shut_domain=$DOMAIN shut_daemon=$DAEMON
xl unpause "$DOMAIN"
echo 'shutdown 0 -> done' | guest
expect_domain poweroff

say "a killed daemon is replaced, more often than a domain can have IOREQ servers (8)"
create_domain orphan pvh
# Another server of the same domain, such as a device model's, is none of the daemon's business.
start_null_handler 0x200
other_handler=$DAEMON
start_daemon --backend sqlite --arg path:/run/variables.sqlite --auth-dir "$KEYS"
xl unpause "$DOMAIN"
guest <<'END'
set test:Kept 7 text:kept                           -> SUCCESS
set test:Volatile 6 text:lost                       -> SUCCESS
END
for _ in 1 2 3 4 5 6 7 8 9; do
  kill_daemon
  start_daemon --backend sqlite --arg path:/run/variables.sqlite --auth-dir "$KEYS"
  guest <<'END'
get test:Kept                                       -> SUCCESS 7 text:kept
get test:Volatile                                   -> NOT_FOUND
in 0x200 4                                          -> 0
END
done

say "a destroyed domain ends its daemon, and nothing keeps the domain from going"
kill "$other_handler"
destroy_domain
expect_daemon_end 0 12
expect_domain gone 2

DOMAIN=$shut_domain DAEMON=$shut_daemon
kill -0 "$DAEMON" || fail "the daemon of the domain that shut down has ended"
destroy_domain
expect_daemon_end 0 12
expect_domain gone 2

say "SIGINT and SIGHUP end the daemon as SIGTERM does"
for signal in INT HUP TERM; do
  : >/run/saved.vars
  create_domain "signal-$signal" pvh
  start_daemon --backend memory --auth-dir "$KEYS" --arg save:/run/saved.vars
  kill "-$signal" "$DAEMON"
  expect_daemon_end 0 2
  [ "$(head -c 4 /run/saved.vars)" = VARS ] || fail "nothing saved at SIG$signal"
  destroy_domain
done
