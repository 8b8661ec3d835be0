# The testbed by itself, without the daemon: what the other cases stand on. The null handler
# completes every access and answers none, so a request comes back as it was.
. /lib/testbed.sh

for type in pvh hvm; do
  create_domain "test-$type" $type 2
  xl unpause "$DOMAIN"
  # With nobody behind the ports, Xen itself completes every access.
  guest <<'END'
get test:Absent                              -> unanswered
in 0x100 4                                   -> ffffffff
END

  start_null_handler
  guest <<'END'
get test:Absent                              -> unanswered
set test:Data 7 pattern:50000                -> unanswered
call 0100000063000000                        -> unanswered
repeat 500 query 7                           -> unanswered

in 0x104 1                                   -> 0
in 0x10a 2                                   -> 0
in 0x10c 4                                   -> ffffffff
out 0x100 1 5                                -> done
out 0x102 4 5                                -> done
out 0x100 4 0xffffffff                       -> done
rep-out 0x100 4 3                            -> done
rep-in 0x108 1 100                           -> done

second start                                 -> done
second repeat 0 query 7                      -> unanswered
repeat 200 get test:Absent                   -> unanswered
second stop                                  -> all alike
second rewrite 48 0400000000000000 ffffffffffffffff -> done
repeat 200 get test:Absent                   -> unanswered
second stop                                  -> done
END

  # A vCPU waits for a handler that does not answer, and goes on when it does.
  kill -STOP "$DAEMON"
  echo 'get test:Absent -> timeout' | guest -t 1
  kill -CONT "$DAEMON"
  echo 'get test:Absent -> unanswered' | guest

  kill_daemon
  echo 'shutdown 0 -> done' | guest
  expect_domain poweroff
  destroy_domain
  expect_domain gone
done

# An HVM domain is saved and restored as another one.
create_domain saved hvm
start_null_handler
xl unpause "$DOMAIN"
echo 'get test:Absent -> unanswered' | guest
before=$DOMAIN
save_domain /run/saved
kill_daemon
destroy_domain
restore_domain /run/saved
[ "$DOMAIN" != "$before" ]
start_null_handler
xl unpause "$DOMAIN"
echo 'get test:Absent -> unanswered' | guest

# It is suspended and goes on.
checkpoint_domain
echo 'get test:Absent -> unanswered' | guest
