#!/usr/bin/env bash
# Prints the path of a llama-server, building it once (about five minutes on two cores) from the pinned
# source package. It is kept outside the tree, by version, for every checkout of this user.
source "$(dirname "$0")/common.sh"

lock=requirements/llama-server.lock
version=$(sed -nE 's/^llama-cpp-python==([^ ]+).*/\1/p' "$lock")
home=$CACHE_DIR/llama-server-$version
server=$home/llama-server

build() {
  local work=$1
  say "building llama-server $version once, about five minutes; log: $home/build.log"
  "$BIN/python" -m pip download -qq --disable-pip-version-check --no-deps --no-binary :all: \
    --no-build-isolation --require-hashes -r "$lock" -d "$work"
  tar -xf "$work"/llama_cpp_python-*.tar.gz -C "$work" --strip-components 1
  cd "$work/vendor/llama.cpp"
  cmake -B build -DCMAKE_BUILD_TYPE=Release -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DBUILD_SHARED_LIBS=OFF
  cmake --build build --target llama-server -j "$(nproc)"
  install -m 755 build/bin/llama-server "$home/llama-server.new"
}

if [ ! -x "$server" ]; then
  mkdir -p "$home"
  exec 9>"$home/.lock"
  flock 9   # two checkouts that start together build once
  if [ ! -x "$server" ]; then
    work=$(mktemp -d "$home/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (build "$work") >"$home/build.log" 2>&1 9>&- || { tail -n 30 "$home/build.log" >&2; die "llama-server could not be built; the whole log is in $home/build.log"; }
    mv "$home/llama-server.new" "$server"
  fi
fi
printf '%s\n' "$server"
