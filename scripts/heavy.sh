#!/usr/bin/env bash
# Prints the folder of the programs that `make test-heavy` starts, installing them once (about 1 GB). They are
# kept outside the tree and outside .venv: nothing of Underpass needs them.
source "$(dirname "$0")/common.sh"

list=requirements/heavy.txt
home=$CACHE_DIR/heavy-$(digest "$list")

if [ ! -x "$home/done" ]; then
  say "installing a heavy model server once, into $home"
  mkdir -p "$CACHE_DIR"
  exec 9>"$CACHE_DIR/.heavy.lock"
  flock 9   # two that start together install once
  if [ ! -x "$home/done" ]; then
    rm -rf "$home"
    "$BIN/python" -m venv "$home"
    "$home/bin/python" -m pip install -q --disable-pip-version-check -r "$list" >&2
    install -m 755 /dev/null "$home/done"
  fi
fi
printf '%s\n' "$home/bin"
