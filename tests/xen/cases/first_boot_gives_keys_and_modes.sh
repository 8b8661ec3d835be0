# A domain without kept variables gets the host's keys and the modes that follow from them, and every
# service answers as UEFI has it. As a PVH and as an HVM domain.
. /lib/testbed.sh

every_service() {
  guest <<END
get global:PK               -> SUCCESS 27 file:$KEYS/PK.esl
get global:KEK              -> SUCCESS 27 file:$KEYS/KEK.esl
get security:db             -> SUCCESS 27 file:$KEYS/db.esl
get security:dbx            -> SUCCESS 27 file:$KEYS/dbx.esl
get global:SetupMode        -> SUCCESS 6 hex:00
get global:AuditMode        -> SUCCESS 6 hex:00
get global:DeployedMode     -> SUCCESS 6 hex:01
get global:SecureBoot       -> SUCCESS 6 hex:01
walk -> global:PK global:KEK security:db security:dbx global:SetupMode global:AuditMode global:DeployedMode global:SecureBoot global:SignatureSupport mor:MemoryOverwriteRequestControl morlock:MemoryOverwriteRequestControlLock ppi:PPIBuffer ppi:Tcg2PhysicalPresenceFlagsLock global:VendorKeys global:dbxDefault global:dbDefault global:KEKDefault global:PKDefault
get global:KEKDefault       -> SUCCESS 6 file:$KEYS/KEK.esl
get global:VendorKeys       -> SUCCESS 6 hex:01

# SetVariable and GetVariable
get test:Fox                                        -> NOT_FOUND
set test:Fox 7 text:quick                           -> SUCCESS
get test:Fox                                        -> SUCCESS 7 text:quick
get test:Fox size=4                                 -> BUFFER_TOO_SMALL 5 7
set test:Fox 47 text:er                             -> SUCCESS
get test:Fox size=7                                 -> SUCCESS 7 text:quicker
set test:Fox 6 text:slow                            -> INVALID_PARAMETER
set test:Largest 7 pattern:57344                    -> SUCCESS
get test:Largest                                    -> SUCCESS 7 pattern:57344
set test:Largest 47 text:!                          -> OUT_OF_RESOURCES
set test:Largest 7 -                                -> SUCCESS
get test:Largest                                    -> NOT_FOUND
set global:SecureBoot 6 hex:00                      -> WRITE_PROTECTED
set test:BootOnly 3 text:secret                     -> SUCCESS

# Authenticated variables: unsigned, signed by nobody that is known, signed by KEK, and the same again
set security:db 67 file:$KEYS/updated.esl           -> SECURITY_VIOLATION
set security:db 67 file:$KEYS/stranger.auth         -> SECURITY_VIOLATION
get security:db                                     -> SUCCESS 27 file:$KEYS/db.esl
set security:db 67 file:$KEYS/update.auth           -> SUCCESS
get security:db                                     -> SUCCESS 27 file:$KEYS/updated.esl
set security:db 67 file:$KEYS/update.auth           -> SUCCESS
get security:db                                     -> SUCCESS 27 file:$KEYS/updated.esl

# GetNextVariableName
next test:Absent                                    -> INVALID_PARAMETER
next - size=2                                       -> BUFFER_TOO_SMALL *

# QueryVariableInfo
query 7                                             -> SUCCESS 131072 * 57344
query 8                                             -> UNSUPPORTED

# The firmware refused an image
notify                                              -> *

# The same answer 2000 times
repeat 2000 get test:Fox                            -> SUCCESS 7 text:quicker
repeat 200 set test:Fox 7 text:quicker              -> SUCCESS

# The operating system runs: it no longer sees what is for the firmware alone
get test:BootOnly runtime                           -> NOT_FOUND
get test:Fox runtime                                -> SUCCESS 7 text:quicker
set test:Volatile 6 text:x runtime                  -> INVALID_PARAMETER
set test:Kept 7 text:x runtime                      -> SUCCESS
END
}

for type in pvh hvm; do
  create_domain "first-$type" $type
  platform secureboot true
  start_daemon --backend memory --auth-dir "$KEYS"
  xl unpause "$DOMAIN"
  every_service
  destroy_domain
  stop_daemon
done

# Without keys on the host, the domain stays in setup mode.
mkdir -p /run/no-keys
create_domain setup pvh
platform secureboot true
start_daemon --backend memory --auth-dir /run/no-keys
xl unpause "$DOMAIN"
guest <<'END'
get global:PK               -> NOT_FOUND
get global:SetupMode        -> SUCCESS 6 hex:01
get global:SecureBoot       -> SUCCESS 6 hex:00
END
stop_daemon
