# Sourced by the other scripts: where things are, how to say what goes wrong, and stamps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE_DIR="${XDG_CACHE_HOME:-$HOME/.cache}/underpass"
VENV=.venv
BIN=$VENV/bin
STAMPS=.stamps

say() { printf '\033[2m» %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# digest FILE-OR-FOLDER...: one hash over names and contents; equal hash, equal inputs.
digest() {
  find "$@" -type f -not -path '*/node_modules/*' -print0 2>/dev/null | sort -z \
    | xargs -0 -r sha256sum | sha256sum | cut -c1-40
}

# is_stamped NAME DIGEST: was this step done with these inputs?
is_stamped() { [ "$(cat "$STAMPS/$1" 2>/dev/null || true)" = "$2" ]; }
stamp() { mkdir -p "$STAMPS"; printf '%s\n' "$2" >"$STAMPS/$1"; }
