#!/usr/bin/env bash
# Everything that is checked without running the Python tests: format, lint, types, the web UI's own.
source "$(dirname "$0")/common.sh"

say "ruff format"; "$BIN/ruff" format --check .
say "ruff check";  "$BIN/ruff" check .
say "mypy";        "$BIN/mypy"
if [ -f scripts/gen.py ]; then say "generated files"; "$BIN/python" scripts/gen.py --check; fi
scripts/web.sh check
