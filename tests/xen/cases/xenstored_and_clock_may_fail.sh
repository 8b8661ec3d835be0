# A daemon that serves needs neither xenstored, which may be killed, nor the right time: dom0's clock
# may jump to any year, also between the parts of an update that is signed.
. /lib/testbed.sh

create_domain host pvh
platform secureboot true
start_daemon --backend sqlite --arg path:/run/vm.db --auth-dir "$KEYS"
xl unpause "$DOMAIN"
guest <<'END'
set test:Before 7 text:kept                         -> SUCCESS
END

say "xenstored is killed"
kill -KILL "$(cat /run/xen/xenstored.pid)"
guest <<'END'
get test:Before                                     -> SUCCESS 7 text:kept
set test:Without 7 text:xenstored                   -> SUCCESS
repeat 200 get test:Without                         -> SUCCESS 7 text:xenstored
END

say "the clock jumps back, and ahead"
date -s '1980-01-02 03:04:05' >/dev/null
guest <<END
set test:Early 7 text:1980                          -> SUCCESS
set security:db 67 file:$KEYS/stranger.auth         -> SECURITY_VIOLATION
set security:db 67 file:$KEYS/update.auth           -> SUCCESS
END
date -s '2037-12-31 23:59:59' >/dev/null
guest <<END
set test:Late 7 text:2037                           -> SUCCESS
get test:Early                                      -> SUCCESS 7 text:1980
get security:db                                     -> SUCCESS 27 file:$KEYS/updated.esl
repeat 200 get test:Before                          -> SUCCESS 7 text:kept
END

kill -0 "$DAEMON" || fail "the daemon is gone"
stop_daemon
