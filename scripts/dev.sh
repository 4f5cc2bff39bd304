#!/usr/bin/env bash
# The demo (hub, local session, built-in demo server) beside Vite, which reloads the web UI as you type.
# Ctrl-C ends both.
source "$(dirname "$0")/common.sh"

data_dir=$CACHE_DIR/dev
port=${UNDERPASS_DEV_PORT:-8080}
mkdir -p "$data_dir"
"$BIN/underpass" demo --port "$port" --data-dir "$data_dir" --no-browser &
demo=$!
trap 'kill "$demo" 2>/dev/null; wait "$demo" 2>/dev/null' EXIT
(cd web && UNDERPASS_HUB="http://127.0.0.1:$port" npm run --silent dev)
