# The story of ./demo --firmware. Real firmware, with Secure Boot: the first boot has the host's keys; of two boot loaders
# the one that is not signed is refused, and the other starts; a program that db's signer has signed starts, and one
# without a signature, one of a stranger's and one in dbx do not. The host is told.
# shellcheck source=tools/demo/firmware_story.sh
. /test/firmware_story.sh
