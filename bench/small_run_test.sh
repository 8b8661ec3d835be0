#!/bin/sh
# usage: small_run_test.sh LOOPBACK_BENCH PROGRAMS_FOLDER
#
# Everything that is measured through a socket can be, and fits the tables of the page. Times do not
# matter here, nor what needs another program than the daemon.
set -eu

cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$1" --quick --times-only >"$work/results.tsv"
bench/pool.py "$2" . --quick >>"$work/results.tsv"
cp docs/performance.md "$work/page"
bench/page.py "$work/results.tsv" "$work/page"

# has TABLE PATTERN: a line of the table has both.
has() {
  sed -n "/<!-- begin $1 -->/,/<!-- end $1 -->/p" "$work/page" | grep -q "$2" || {
    echo "the table $1 has no line with $2:" >&2
    cat "$work/results.tsv" "$work/page" >&2
    exit 1
  }
}
has requests '^| append to db, RSA-2048, `sqlite` | [0-9]'
has growth-number-time '^| SetVariable, `sqlite` | [0-9]'
has growth-size-time '^| GetVariable, `memory` | [0-9]'
has growth-start '^| resume, `memory` | [0-9]'
has start '^| `sqlite` | dynamic | [0-9]'
has fleet '^| 3 | dynamic | [0-9]'
has pool '^| varstore-inspect --pool, --openmetrics - | 20 | dynamic | [0-9]'
has pool '^| varstore-nvram-certcheck | 1 | dynamic | [0-9]'
has latency '^| SetVariable, `xapidb`, answers in 100 ms | 10 | 1[0-9][0-9] | .* 1.00 |$'
