#!/usr/bin/env bash
# A wheel that carries the built web UI (installing it needs no Node), and a source package that does too.
source "$(dirname "$0")/common.sh"

[ -f src/underpass/hub/static/index.html ] || [ ! -d web ] || die "the web UI is not built: run make setup"
rm -rf dist
"$BIN/python" -m build --no-isolation --outdir dist . >/dev/null
"$BIN/python" - dist/*.whl <<'PY'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
if not any(n.startswith("underpass/hub/static/") for n in names):
    sys.exit("error: the wheel does not carry the web UI")
PY
ls -l dist
