#!/usr/bin/env bash
# Formats, fixes what can be fixed by itself, and writes generated files anew.
source "$(dirname "$0")/common.sh"

"$BIN/ruff" check --fix --quiet . || true
"$BIN/ruff" format .
if [ -f scripts/gen.py ]; then "$BIN/python" scripts/gen.py; fi
if [ -f web/package.json ] && (cd web && npm pkg get scripts.fix | grep -q '^"'); then
  (cd web && npm run --silent fix)
fi
