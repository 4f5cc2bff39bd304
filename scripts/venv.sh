#!/usr/bin/env bash
# Makes .venv from the locks: venv.sh hub (to run) or venv.sh dev (to develop and test; holds hub too).
# Every package is pinned with its hashes; wheels only, so that installing runs nobody's set-up code.
source "$(dirname "$0")/common.sh"

level=${1:?hub or dev}
python=$(scripts/python.sh)

mkdir -p "$STAMPS"
exec 7>"$STAMPS/venv.lock"
flock 7   # two commands started together install once

if [ ! -x "$BIN/python" ] || ! "$BIN/python" -c '' 2>/dev/null; then
  say "making $VENV"
  rm -rf "$VENV" "$STAMPS"/venv-*
  "$python" -m venv "$VENV"
fi

# pip's own output is quiet; on failure everything it said is shown.
pip_install() { "$BIN/python" -m pip install -qq --disable-pip-version-check --no-input "$@"; }

install_lock() {
  local lock=requirements/$1.lock
  local want; want=$(digest "$lock")
  if is_stamped "venv-$1" "$want" && [ "$STAMPS/venv-$1" -nt "$VENV/pyvenv.cfg" ]; then return 0; fi
  say "installing $lock"
  pip_install --require-hashes --only-binary :all: -r "$lock"
  stamp "venv-$1" "$want"
}

install_project() {
  local want; want=$(digest pyproject.toml)
  if is_stamped venv-project "$want" && [ -x "$BIN/underpass" ]; then return 0; fi
  pip_install --no-deps --no-build-isolation --editable .
  stamp venv-project "$want"
}

install_lock build
if [ "$level" = dev ] || ! is_stamped venv-dev "$(digest requirements/dev.lock)"; then
  install_lock "$level"
fi
install_project
