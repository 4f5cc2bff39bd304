#!/usr/bin/env bash
# The web UI: web.sh build makes src/underpass/hub/static/ from web/, web.sh check runs its checks.
# Both install web/'s packages from its lock first; steps whose inputs have not changed are skipped.
source "$(dirname "$0")/common.sh"

[ -f web/package.json ] || { say "web/ is not here yet"; exit 0; }

install_packages() {
  local want; want=$(digest web/package.json web/package-lock.json)
  if is_stamped web-packages "$want" && [ -d web/node_modules ]; then return 0; fi
  say "installing web/'s packages"
  (cd web && npm ci --no-audit --no-fund --loglevel=error >&2)
  stamp web-packages "$want"
}

build() {
  local want; want=$(digest web)
  if is_stamped web-build "$want" && [ -f src/underpass/hub/static/index.html ]; then return 0; fi
  say "building the web UI"
  (cd web && npm run --silent build -- --logLevel warn >&2)
  stamp web-build "$want"
}

check() {
  local step rc=0
  for step in typecheck lint test; do
    say "web: $step"
    (cd web && npm run --silent "$step") || rc=1
  done
  return "$rc"
}

mkdir -p "$STAMPS"
exec 8>"$STAMPS/web.lock"
flock 8
install_packages
case "${1:?build or check}" in
  build) build ;;
  check) check ;;
  *) die "web.sh build or web.sh check" ;;
esac
