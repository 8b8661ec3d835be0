# The story of ./demo: it fails when the guest gets another answer than the one that is told.
# shellcheck source=tools/demo/story.sh
. /test/story.sh
