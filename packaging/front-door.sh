# shellcheck shell=sh disable=SC2034,SC2154  # variables of and for the one who sources it
#
# What ./check and ./demo share. Sourced with $top, the root of the tree, as current folder.

jobs=$(nproc)
started=$(date +%s)
terminal='' quiet=--quiet bold='' plain=''
if [ -t 1 ]; then
  terminal=yes quiet=''
  if [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
  else
    export CLICOLOR=0
  fi
fi

# step TEXT: announces a step, with the seconds since the start.
step() {
  printf '%s[%4d s] %s%s\n' "$bold" $(($(date +%s) - started)) "$*" "$plain"
}

# logged FILE COMMAND...: keeps what the command says in FILE, and shows it only when it fails.
logged() {
  log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || {
    # run-clang-tidy always colours.
    if [ -n "$bold" ]; then cat "$log"; else sed 's/\x1b\[[0-9;]*m//g' "$log"; fi
    return 1
  }
}

# packages_in SECTION...: the packages of these sections of the list.
packages_in() {
  awk -v wanted=" $* " '
    { sub(/#.*/, "") }
    /^\[/ { gsub(/[][ ]/, ""); section = $0; next }
    NF && index(wanted, " " section " ") { print $1 }' "$top/packaging/debian-packages.txt"
}

# missing_packages SECTION...: prints what is not installed of these sections, each behind a space.
missing_packages() {
  for package in $(packages_in "$@"); do
    # shellcheck disable=SC2016  # the variable is dpkg-query's
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
      ?i*) ;;
      *) printf ' %s' "$package" ;;
    esac
  done
}

# need_packages SECTION...: installs what is missing of these sections.
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "no Debian: going on with what is installed (see packaging/debian-packages.txt)"
    return
  fi
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0

  step "install missing packages:$missing"
  as_root=
  if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null; then
      echo "only root can install them, and there is no sudo; as root: apt-get install$missing" >&2
      return 1
    fi
  fi
  logged build/apt.log $as_root apt-get -q update
  # shellcheck disable=SC2086  # words, on purpose
  logged build/apt.log $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y install --no-install-recommends $missing
}

# build PRESET [TARGET...]: configures and builds into build/PRESET. What is to be installed is built
# with the prefix /usr.
build() {
  preset=$1
  shift
  step "build: $preset"
  logged "build/$preset/configure.log" cmake --preset "$preset" -D CMAKE_INSTALL_PREFIX=/usr
  # On a terminal Ninja shows how far it is; in a log only errors are of use.
  cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} -- ${quiet:+"$quiet"}
}
