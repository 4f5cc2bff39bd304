#!/usr/bin/env bash
# Compiles requirements/*.lock from pyproject.toml, for every platform and Python 3.11+, with hashes.
# dev is solved first and holds everything; the smaller locks are cut to the same versions.
# No index address is ever written into a lock: where packages come from is each machine's own setting.
source "$(dirname "$0")/common.sh"

compile() {
  local out=$1; shift
  say "compiling $out"
  "$BIN/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --no-annotate "$@" --output-file "$out"
}

upgrade=()
[ "${1:-}" != --upgrade ] || upgrade=(--upgrade)
dev=requirements/dev.lock
compile "$dev" "${upgrade[@]}" pyproject.toml requirements/build.in requirements/dev.in --extra hub --extra postgres --group dev
compile requirements/hub.lock "${upgrade[@]}" pyproject.toml --extra hub --extra postgres --constraint "$dev"
compile requirements/base.lock "${upgrade[@]}" pyproject.toml --constraint "$dev"
compile requirements/build.lock "${upgrade[@]}" requirements/build.in --constraint "$dev"
