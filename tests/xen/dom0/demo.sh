# shellcheck shell=sh
#
# How a story of ./demo speaks: lines for ./demo to show. Sourced behind testbed.sh.

tell() { echo "demo tell $*"; }
note() { echo "demo note $*"; }
fact() { echo "demo fact $1|$2"; }
# refused WHAT ANSWER: something that must not succeed.
refused() { echo "demo refused $1|$2"; }
# shown COMMAND...: shows a command, and runs it.
shown() {
  echo "demo command $*"
  quietly "$@"
}
