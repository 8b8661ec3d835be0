# What a guest wrote as non-volatile is there for the next domain with the next daemon, and what it
# wrote as volatile is not. Keys are set up once, not at every boot.
. /lib/testbed.sh

# boot OPTION...: a new domain with a new daemon.
boots=0
boot() {
  boots=$((boots + 1))
  create_domain "boot-$boots" pvh
  platform secureboot true
  start_daemon --auth-dir "$KEYS" "$@"
  xl unpause "$DOMAIN"
}

write_variables() {
  guest <<END
set test:Kept 7 pattern:3000                        -> SUCCESS
set test:Replaced 7 text:old                        -> SUCCESS
set test:Replaced 7 text:new                        -> SUCCESS
set test:Deleted 7 text:gone                        -> SUCCESS
set test:Deleted 7 -                                -> SUCCESS
set test:Volatile 6 text:lost                       -> SUCCESS
set security:db 67 file:$KEYS/update.auth           -> SUCCESS
END
}

# What the next boot finds. It writes again, for the one after.
find_variables() {
  guest <<END
get test:Kept                                       -> SUCCESS 7 pattern:3000
get test:Replaced                                   -> SUCCESS 7 text:new
get test:Deleted                                    -> NOT_FOUND
get test:Volatile                                   -> NOT_FOUND
get global:PK                                       -> SUCCESS 27 file:$KEYS/PK.esl
get security:db                                     -> SUCCESS 27 file:$KEYS/updated.esl
get global:SetupMode                                -> SUCCESS 6 hex:00
get global:SecureBoot                               -> SUCCESS 6 hex:01
END
}

say "sqlite keeps them in its file"
boot --backend sqlite --arg path:/run/variables.sqlite
write_variables
destroy_domain
stop_daemon

boot --backend sqlite --arg path:/run/variables.sqlite
find_variables
echo 'set test:Later 7 text:acknowledged -> SUCCESS' | guest
say "even when the daemon is killed right after the guest has its answer"
kill_daemon
destroy_domain

boot --backend sqlite --arg path:/run/variables.sqlite
find_variables
echo 'get test:Later -> SUCCESS 7 text:acknowledged' | guest
destroy_domain
stop_daemon

say "the memory backend starts from what an earlier one has saved"
: >/run/saved.vars
boot --backend memory --arg save:/run/saved.vars
write_variables
destroy_domain
stop_daemon

boot --backend memory --arg init:/run/saved.vars
find_variables
destroy_domain
stop_daemon
