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

# keep_venv NAME LIST WORDS [PIP-OPTION...]: sets `home` to the virtual environment of what LIST names, installed
# once, outside the tree and outside .venv. Not in a `$(...)`: a failed install would not stop it there.
keep_venv() {
  local name=$1 list=$2 words=$3
  shift 3
  home=$CACHE_DIR/$name-$(digest "$list")
  [ ! -x "$home/done" ] || return 0
  say "installing $words once, into $home"
  mkdir -p "$CACHE_DIR"
  exec 9>"$CACHE_DIR/.$name.lock"
  flock 9   # two that start together install once
  [ ! -x "$home/done" ] || return 0
  rm -rf "$home"
  "$BIN/python" -m venv "$home"
  "$home/bin/python" -m pip install -q --disable-pip-version-check "$@" -r "$list" >&2
  install -m 755 /dev/null "$home/done"
}
