# Two vCPUs that call at the same time each get their own answer. A vCPU that rewrites the pages of
# the other while that one calls (XSA-478) makes the daemon answer one thing or another, but always
# with a status, and it goes on to serve.
. /lib/testbed.sh

create_domain pair pvh 2
start_daemon --backend memory --auth-dir "$KEYS"
xl unpause "$DOMAIN"

guest <<'END'
set test:First 7 text:first                         -> SUCCESS
set test:Second 7 pattern:900                       -> SUCCESS
second start                                        -> done
second get test:First                               -> SUCCESS 7 text:first

second repeat 0 get test:Second                     -> SUCCESS 7 pattern:900
repeat 1000 get test:First                          -> SUCCESS 7 text:first
repeat 200 set test:First 7 text:first              -> SUCCESS
second stop                                         -> all alike

# Offset 8: how long the name is. 10 bytes, or 2^64 - 1.
second rewrite 8 0a00000000000000 ffffffffffffffff  -> done
hammer 300 get test:First                           -> well-formed
hammer 300 set test:First 7 text:first              -> well-formed
second stop                                         -> done
get test:Second                                     -> SUCCESS 7 pattern:900

# Offset 42: how long the data of SetVariable is. 5 bytes, or 57344.
second rewrite 42 0500000000000000 00e0000000000000 -> done
hammer 300 set test:First 7 text:first              -> well-formed
second stop                                         -> done
get test:Second                                     -> SUCCESS 7 pattern:900

# Offset 16 in GetNextVariableName: the name's length; offset 24: the name itself.
second rewrite 16 0a000000000000004600690072007300 010000000000000000d800d800d800d8 -> done
hammer 300 next test:First                          -> well-formed
second stop                                         -> done

set test:First 7 text:first                         -> SUCCESS
get test:First                                      -> SUCCESS 7 text:first
get test:Second                                     -> SUCCESS 7 pattern:900
END

stop_daemon
