# Not a case of its own: a machine whose dom0 gives no sign of life, for ../a_machine_that_stands_still.
. /lib/testbed.sh

kill "$(cat /run/heart.pid)"
say "no sign of life from now on"
while :; do sleep 60; done
