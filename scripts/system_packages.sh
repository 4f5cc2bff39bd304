#!/usr/bin/env bash
# Makes sure that the programs we need are there: system_packages.sh setup|test
# As root on Debian or Ubuntu it installs them; anywhere else it names the exact command and stops.
source "$(dirname "$0")/common.sh"

# program:package, one per line. `setup` is what running needs, `test` what the real components need on top.
SETUP_PROGRAMS="curl:curl"
TEST_PROGRAMS="chromium:chromium tinyproxy:tinyproxy sshd:openssh-server ssh:openssh-client nginx:nginx-light
  cmake:cmake g++:g++ make:make curl:curl psql:postgresql
  slurmctld:slurm-wlm munged:munge slurmdbd:slurmdbd slurmdbd:slurm-wlm-mysql-plugin mariadbd:mariadb-server"

is_there() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

missing_packages() {
  local pair
  for pair in $SETUP_PROGRAMS $([ "$1" = test ] && echo "$TEST_PROGRAMS"); do
    is_there "${pair%%:*}" || echo "${pair##*:}"
  done | sort -u
  scripts/python.sh >/dev/null 2>&1 || echo python3-venv
  has_node || echo "nodejs npm"
}

# Node 20.19 or newer (what Vite asks for), with npm.
has_node() {
  command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}

install() {
  export DEBIAN_FRONTEND=noninteractive
  say "installing system packages: $*"
  apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
  # No service of a package is to start by itself: the tests run their own, on their own ports.
  local policy=/usr/sbin/policy-rc.d made_policy=
  if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; made_policy=1; fi
  local rc=0
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null || rc=$?
  [ -z "$made_policy" ] || rm -f "$policy"
  [ "$rc" = 0 ] || die "apt-get could not install: $*. Look at what it says above, then run this again."
}

main() {
  local wanted
  wanted=$(missing_packages "$1" | tr '\n' ' ' | sed 's/ *$//')
  [ -n "$wanted" ] || return 0
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086  # a list of package names
    install $wanted
  elif command -v apt-get >/dev/null; then
    missing "sudo apt-get install -y --no-install-recommends $wanted"
  else
    missing "install these with your system's package manager: $wanted"
  fi
  has_node || die "Underpass's web UI is built with Node 20.19 or newer, and this system's packages carry none.
  Install it (its own site and most version managers carry it), then run this again."
}

# Running needs its programs. The tests' components are optional at a person's desk: those tests are
# then skipped, each with its reason; in CI nothing may be missing.
missing() {
  if [ "$MODE" = test ] && [ -z "${CI:-}" ] && [ -z "$(missing_packages setup)" ]; then
    say "some real components are missing, their tests will be skipped. To run them all:"
    say "    $1"
  else
    die "these programs are missing. Run:
    $1"
  fi
}

MODE=${1:?setup or test}
main "$MODE"
