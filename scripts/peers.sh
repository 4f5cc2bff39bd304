#!/usr/bin/env bash
# Prints the Python of the programs that `python -m benchmarks.peers` compares with, installing them once
# (about 300 MB). They are kept outside the tree and outside .venv: nothing of Underpass needs them.
source "$(dirname "$0")/common.sh"

lock=requirements/peers.lock
home=$CACHE_DIR/peers-$(digest "$lock")
python=$home/bin/python

if [ ! -x "$home/done" ]; then
  say "installing the peers of the benchmark once, into $home"
  mkdir -p "$CACHE_DIR"
  exec 9>"$CACHE_DIR/.peers.lock"
  flock 9   # two that start together install once
  if [ ! -x "$home/done" ]; then
    rm -rf "$home"
    "$BIN/python" -m venv "$home"
    "$python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock" >&2
    install -m 755 /dev/null "$home/done"
  fi
fi
printf '%s\n' "$python"
