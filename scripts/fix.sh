#!/usr/bin/env bash
# Formats, fixes what can be fixed by itself, and writes generated files anew.
source "$(dirname "$0")/common.sh"

"$BIN/ruff" check --fix --quiet . || true
"$BIN/ruff" format .
"$BIN/python" scripts/gen.py
(cd web && npm run --silent fix)
