#!/usr/bin/env bash
# Prints the Python of the programs that `python -m benchmarks.peers` compares with, installing them once
# (about 300 MB). They are kept outside the tree and outside .venv: nothing of Underpass needs them.
source "$(dirname "$0")/common.sh"

keep_venv peers requirements/peers.lock "the peers of the benchmark" --require-hashes
printf '%s\n' "$home/bin/python"
