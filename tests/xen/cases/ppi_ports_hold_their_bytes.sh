# The ports of the TPM's physical presence interface: 0x104 takes an index, 0x108 reads and writes
# the byte there. Bytes below 0x100 last as long as the domain, those from there on are kept.
. /lib/testbed.sh

boot() {
  create_domain "$1" pvh
  start_daemon --backend sqlite --arg path:/run/variables.sqlite --auth-dir "$KEYS"
  xl unpause "$DOMAIN"
}

boot first
guest <<'END'
out 0x104 4 0x20            -> done
out 0x108 1 0x5a            -> done
in 0x108 1                  -> 5a
out 0x108 4 0x44332211      -> done
in 0x108 4                  -> 44332211
# The port's own offset counts too
in 0x10a 2                  -> 4433
out 0x104 4 0x22            -> done
in 0x108 1                  -> 33

# What is kept, as a variable
out 0x104 4 0x105           -> done
out 0x108 4 0xcafe1234      -> done
out 0x104 4 0x100           -> done
out 0x108 1 1               -> done
get ppi:PPIBuffer -> SUCCESS 7 hex:01000000003412feca000000000000000000000000000000000000000000000000000000000000000000000000000000
set ppi:PPIBuffer 7 zeros:48 -> WRITE_PROTECTED

# The last byte, and what is behind it: 0x130 bytes in all
out 0x104 4 0x12f           -> done
out 0x108 1 0x77            -> done
in 0x108 1                  -> 77
in 0x108 2                  -> 0
out 0x108 4 0x99999999      -> done
in 0x108 1                  -> 77
out 0x104 4 0x130           -> done
out 0x108 1 0x99            -> done
in 0x108 1                  -> 0
out 0x104 4 0xffffffff      -> done
out 0x108 4 0x99999999      -> done
in 0x108 4                  -> 0
in 0x109 1                  -> 0

# An access that crosses the port's end
out 0x104 4 0x20            -> done
out 0x10a 4 0x99999999      -> done
in 0x10a 4                  -> *
in 0x108 4                  -> 44332211

# The lock of the flags
set ppi:Tcg2PhysicalPresenceFlags 7 hex:02000000    -> SUCCESS
set ppi:Tcg2PhysicalPresenceFlagsLock 7 hex:02      -> INVALID_PARAMETER
set ppi:Tcg2PhysicalPresenceFlagsLock 7 hex:01      -> SUCCESS
set ppi:Tcg2PhysicalPresenceFlags 7 hex:00000000    -> WRITE_PROTECTED
END
destroy_domain
stop_daemon

boot second
guest <<'END'
out 0x104 4 0x20            -> done
in 0x108 4                  -> 0
out 0x104 4 0x105           -> done
in 0x108 4                  -> cafe1234
out 0x104 4 0x100           -> done
in 0x108 1                  -> 1
get ppi:Tcg2PhysicalPresenceFlagsLock               -> SUCCESS 7 hex:00
set ppi:Tcg2PhysicalPresenceFlags 7 hex:00000000    -> SUCCESS
END
stop_daemon
