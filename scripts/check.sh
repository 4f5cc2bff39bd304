#!/usr/bin/env bash
# Everything that is checked without running the Python tests: format, lint, types, generated files, the
# web UI's own. All steps run, so that one look shows all faults; the exit code is the worst.
source "$(dirname "$0")/common.sh"

failed=()
step() {
  local name=$1; shift
  say "$name"
  "$@" || failed+=("$name")
}

step "ruff format" "$BIN/ruff" format --check --quiet .
step "ruff check" "$BIN/ruff" check --quiet .
step "mypy" "$BIN/mypy" --no-error-summary
step "generated files" "$BIN/python" scripts/gen.py --check
step "web" scripts/web.sh check
[ "${#failed[@]}" = 0 ] || die "these checks failed: ${failed[*]}. What can be mended by itself: make fix"
