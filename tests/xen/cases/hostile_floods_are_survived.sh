# Ten thousand accesses to the ports beside the calls of another vCPU; ten thousand requests at the limit
# of every length; two thousand updates whose pages another vCPU rewrites, some million times, while their
# signature is checked; two thousand writes of which it gives a page back to Xen, some thousand times.
# Afterwards an honest call is answered, in the time that it always takes.
. /lib/testbed.sh

create_domain hostile pvh 2
platform secureboot true
start_daemon --backend memory --auth-dir "$KEYS"
xl unpause "$DOMAIN"

# again COUNT LINE: the line so many times.
again() {
  awk -v count="$1" -v line="$2" 'BEGIN { while (count-- > 0) print line }'
}
# name BYTES: that many bytes of a name, in hexadecimal.
name() {
  again $(($1 / 2)) 4100 | tr -d '\n'
}
guid=000102030405060708090a0b0c0d0e0f

{
  echo "set test:Honest 7 text:answered                   -> SUCCESS"
  echo "repeat 200 get test:Honest                        -> SUCCESS 7 text:answered"
  echo "second start                                      -> done"
  echo "second get test:Honest                            -> SUCCESS 7 text:answered"

  # Floods: words that are no commands from one vCPU, calls from the other.
  echo "second repeat 0 query 7                           -> SUCCESS 131072 * 57344"
  again 125 "rep-out 0x100 1 40                           -> done"
  again 125 "rep-out 0x108 4 40                           -> done"
  echo "hammer 5000 get test:Honest                       -> well-formed"
  echo "second stop                                       -> all alike"

  # Page flips while a signature is checked: bytes of the certificate, and of the data's length.
  echo "second rewrite 600 00000000 ffffffff              -> done"
  again 20 "hammer 50 set security:db 67 file:$KEYS/stranger.auth -> well-formed"
  echo "second stop                                       -> done"
  echo "second rewrite 36 4400000000000000 00e0000000000000 -> done"
  again 20 "hammer 50 set security:db 67 file:$KEYS/stranger.auth -> well-formed"
  echo "second stop                                       -> done"
  echo "get security:db                                   -> SUCCESS 27 file:$KEYS/db.esl"

  # The page in which the data ends, while the daemon copies it. There is an answer when the page is there.
  echo "second balloon 0x211                              -> done"
  again 20 "hammer 100 set test:Ballooned 7 pattern:4100"
  echo "second stop                                       -> done"

  # The longest name and one that is too long; the largest variable, and one byte more.
  echo "hammer 10000 call 01000000000000000010000000000000$(name 4096)${guid}000000000000000000 -> well-formed"
  echo "hammer 10000 call 01000000000000000210000000000000$(name 4098)${guid}000000000000000000 -> well-formed"
  echo "hammer 10000 call 010000000200000002100000000000000010000000000000$(name 4096)${guid}00 -> well-formed"
  echo "hammer 10000 call 0100000001000000ffffffffffffffff -> well-formed"
  again 50 "hammer 100 set test:Large 7 pattern:57344      -> well-formed"
  again 50 "hammer 100 set test:Large 47 text:!            -> well-formed"

  echo "repeat 200 get test:Honest                        -> SUCCESS 7 text:answered"
  echo "repeat 200 set test:Honest 7 text:answered        -> SUCCESS"
} >/run/script
guest -q -t 60 </run/script

lines=$(wc -l <"$LOG")
[ "$lines" -le 200 ] || fail "$lines lines in the log"
stop_daemon
