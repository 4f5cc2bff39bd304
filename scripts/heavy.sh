#!/usr/bin/env bash
# Prints the folder of the programs that `make test-heavy` starts, installing them once (about 1 GB). They are
# kept outside the tree and outside .venv: nothing of Underpass needs them.
source "$(dirname "$0")/common.sh"

keep_venv heavy requirements/heavy.txt "a heavy model server"
printf '%s\n' "$home/bin"
