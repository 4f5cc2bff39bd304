#!/usr/bin/env bash
# Prints the folder of Open WebUI's programs for the benchmark of peers, installing them once (several GB). They
# are kept outside the tree and outside .venv: nothing of Underpass needs them.
source "$(dirname "$0")/common.sh"

keep_venv open-webui requirements/open-webui.txt "Open WebUI for the benchmark"
printf '%s\n' "$home/bin"
