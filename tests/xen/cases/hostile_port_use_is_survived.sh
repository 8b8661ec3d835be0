# Whatever a guest does with the ports, the access completes, the daemon lives, and the next honest
# call is answered.
. /lib/testbed.sh

create_domain hostile pvh
start_daemon --backend memory --auth-dir "$KEYS"
xl unpause "$DOMAIN"

honest='get test:Honest -> SUCCESS 7 text:answered'
echo 'set test:Honest 7 text:answered -> SUCCESS' | guest

# after LINE...: the line of the script, and then an honest call.
after() {
  for line in "$@"; do
    echo "$line"
    echo "$honest"
  done
}

say "every width at every port, also across ports and out of the range"
for port in 0x0fd 0x0fe 0x0ff 0x100 0x101 0x102 0x103 0x104 0x105 0x106 0x107 0x108 0x109 0x10a \
  0x10b 0x10c; do
  for width in 1 2 4; do
    after "out $port $width 0x5a5a5a5a -> done" "in $port $width -> *"
  done
done | guest -q

say "only a 32-bit write to port 0x100 itself is a call"
# Page 0x210 is where the guest keeps its shared pages, here with QueryVariableInfo in them.
for line in "out 0x100 2 0x210" "out 0x100 1 0x10" "out 0x101 4 0x210" "out 0x104 4 0x210" \
  "out 0x108 4 0x210" "rep-out 0x100 4 2"; do
  echo "put 010000000300000007000000"
  echo "$line -> done"
  echo "peek 12 -> hex:010000000300000007000000"
  echo "$honest"
done | guest -q

say "rep outs and rep ins"
for port in 0x100 0x104 0x108; do
  for width in 1 2 4; do
    after "rep-out $port $width 1 -> done" "rep-out $port $width 40 -> done" \
      "rep-in $port $width 1 -> done" "rep-in $port $width 40 -> done"
  done
done | guest -q

say "page numbers: none of the domain's, its last ones, wrapping around"
for page in 0 1 0xf0 0xfee00 0xfff 0xff1 0x1000 0x100000 0x7fffffff 0x80000000 0xfffffff0 \
  0xfffffff8 0xffffffff; do
  after "out 0x100 4 $page -> done"
done | guest -q

say "requests that are none"
guest <<END
# Unknown version, unknown command: EFI_UNSUPPORTED
call 0000000000000000                               -> 0300000000000080
$honest
call 0200000000000000                               -> 0300000000000080
$honest
call ffffffff00000000                               -> 0300000000000080
$honest
call 0100000005000000                               -> 0300000000000080
$honest
call 01000000ffffffff                               -> 0300000000000080
$honest
# GetVariable with a name of 2^64 - 1 bytes, and of 4098
call 0100000000000000ffffffffffffffff               -> 0700000000000080
$honest
call 01000000000000000210000000000000               -> 0700000000000080
$honest
# SetVariable with data of 2^64 - 1 bytes
call 0100000001000000020000000000000041000102030405060708090a0b0c0d0e0f10ffffffffffffffff -> 0900000000000080
$honest
END

say "the log does not grow with what the guest does"
lines=$(wc -l <"$LOG")
for turn in 1 2 3 4 5 6 7 8; do
  echo "rep-out 0x100 1 200 -> done"
  echo "out 0x100 4 0xfffffff$turn -> done"
  echo "out 0x100 2 $turn -> done"
  echo "call 0900000000000000 -> 0300000000000080"
done | guest -q
grown=$(($(wc -l <"$LOG") - lines))
[ $grown -le 10 ] || fail "$grown more lines in the log"
echo "$honest" | guest
stop_daemon
