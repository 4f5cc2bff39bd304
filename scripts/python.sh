#!/usr/bin/env bash
# Prints a Python that can make our virtual environment: 3.11 or newer, with the venv module.
source "$(dirname "$0")/common.sh"

for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    command -v "$candidate"
    exit 0
  fi
done
die "no Python 3.11 or newer with the venv module. On Debian or Ubuntu: apt-get install python3-venv"
