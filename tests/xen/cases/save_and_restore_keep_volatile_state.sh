# An HVM domain is saved and restored as another one, with another daemon: the guest, which goes on
# in the middle of its work, finds what it left, volatile state too.
. /lib/testbed.sh

: >/run/saved.vars
create_domain traveller hvm
platform secureboot true
start_daemon --backend memory --auth-dir "$KEYS" --arg save:/run/saved.vars
xl unpause "$DOMAIN"
guest <<END
set test:Kept 7 text:kept                                   -> SUCCESS
set test:Volatile 6 pattern:5000                            -> SUCCESS
set security:db 67 file:$KEYS/update.auth                   -> SUCCESS
set mor:MemoryOverwriteRequestControl 7 hex:01              -> SUCCESS
set morlock:MemoryOverwriteRequestControlLock 7 hex:0102030405060708 -> SUCCESS
get morlock:MemoryOverwriteRequestControlLock               -> SUCCESS 7 hex:02
set ppi:Tcg2PhysicalPresenceFlagsLock 7 hex:01              -> SUCCESS
out 0x104 4 0x100                                           -> done
out 0x108 1 0x11                                            -> done
out 0x104 4 0x42                                            -> done
out 0x108 1 0x22                                            -> done
END

before=$DOMAIN
save_domain /run/saved.domain
stop_daemon
destroy_domain
restore_domain /run/saved.domain
[ "$DOMAIN" != "$before" ]

# The host's keys are not looked at again.
mkdir -p /run/no-keys
start_daemon --backend memory --auth-dir /run/no-keys --resume --arg resume:/run/saved.vars
xl unpause "$DOMAIN"
guest <<END
# The index that the guest wrote last still counts
in 0x108 1                                                  -> 22
out 0x104 4 0x100                                           -> done
in 0x108 1                                                  -> 11

get test:Kept                                               -> SUCCESS 7 text:kept
get test:Volatile                                           -> SUCCESS 6 pattern:5000
get global:PK                                               -> SUCCESS 27 file:$KEYS/PK.esl
get security:db                                             -> SUCCESS 27 file:$KEYS/updated.esl
get global:SecureBoot                                       -> SUCCESS 6 hex:01
get global:SetupMode                                        -> SUCCESS 6 hex:00
get ppi:Tcg2PhysicalPresenceFlagsLock                       -> SUCCESS 7 hex:01
set ppi:Tcg2PhysicalPresenceFlags 7 hex:00000000            -> WRITE_PROTECTED

# Locked with a key, which still is the one that opens
get mor:MemoryOverwriteRequestControl                       -> SUCCESS 7 hex:01
set mor:MemoryOverwriteRequestControl 7 hex:00              -> ACCESS_DENIED
get morlock:MemoryOverwriteRequestControlLock               -> SUCCESS 7 hex:02
set morlock:MemoryOverwriteRequestControlLock 7 hex:0102030405060708 -> SUCCESS
get morlock:MemoryOverwriteRequestControlLock               -> SUCCESS 7 hex:00
set mor:MemoryOverwriteRequestControl 7 hex:00              -> SUCCESS
END

# A suspended domain may go on as it is: its daemon stays.
checkpoint_domain
echo 'get test:Volatile -> SUCCESS 6 pattern:5000' | guest
stop_daemon
