#!/bin/sh
# Builds and runs the programs in examples/ and in README.md: tests/examples.sh CC CXX OUT
set -eu
cc=$1
cxx=$2
out=$3
folder=$(cd "$out" && pwd)
here=$out/examples
mkdir -p "$here"
options="-Wall -Wextra -Werror -Iinclude ${SIMCSE_FLAGS:-}"
libraries="-L$out -lsimcse -lm -Wl,-rpath,$folder"

# The first block of a language in README.md.
block() {
  awk -v start="\`\`\`$1" '$0 == start { inside = 1; next } inside && /^```/ { exit } inside' README.md
}

block c > "$here/readme.c"
block cpp > "$here/readme.cpp"
block rust > "$here/readme.rs"
$cc -std=c99 -pedantic $options examples/embed.c -o "$here/embed" $libraries
$cc -std=c99 -pedantic $options "$here/readme.c" -o "$here/readme" $libraries
$cxx -std=c++17 -pedantic $options "$here/readme.cpp" -o "$here/readme++" $libraries
"$here/embed"
[ "$("$here/readme")" = "4 5 10 11" ] || { echo "FAILED: the C program of README.md"; exit 1; }
[ "$("$here/readme++")" = 7 ] || { echo "FAILED: the C++ program of README.md"; exit 1; }

# A sanitized library needs its runtime loaded before that of other languages.
if [ -n "${SANITIZE:-}" ]; then
  echo "skipped Rust and Python: the library is sanitized"
  exit 0
fi

if command -v rustc >/dev/null; then
  rustc --edition 2021 -L "$out" "$here/readme.rs" -o "$here/readme-rs" -C link-arg="-Wl,-rpath,$folder"
  "$here/readme-rs"
else
  echo "skipped the Rust program of README.md: there is no rustc"
fi

# PYTHON names one that must do; without it, the one on PATH serves where it has NumPy.
python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
  missing="there is no $python"
elif ! "$python" -c 'import numpy' 2>/dev/null; then
  missing="$python has no NumPy; name one that has with PYTHON=..."
else
  "$python" examples/embed.py "$folder/libsimcse.so"
  exit 0
fi
[ -z "${PYTHON:-}" ] || { echo "FAILED embed.py: $missing"; exit 1; }
echo "skipped embed.py: $missing"
