# What a real firmware and a Linux kernel asked for on a real host, asked again: the answers are the
# recorded ones, but for the rules in recorded_boots_get_the_same_answers.rules.
# recorded_boots_get_the_same_answers.prepare has made the scripts.
. /lib/testbed.sh

mkdir -p /run/no-keys
for boot in boot-1 boot-2 linux-1 linux-2; do
  create_domain "$boot" pvh
  set -- --backend memory --auth-dir /run/no-keys
  [ ! -f "/test/$boot.vars" ] || set -- "$@" --arg "init:/test/$boot.vars"
  start_daemon "$@"
  xl unpause "$DOMAIN"
  guest -q <"/test/$boot.script"
  destroy_domain
  stop_daemon
done
