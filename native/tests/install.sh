#!/bin/sh
# Installs below a temporary folder, moves the tree, and builds examples/embed.c against it with pkg-config and with
# CMake: tests/install.sh MAKE CC OUT VERSION
set -eu
make=$1
cc=$2
out=$3
version=$4
source=$(pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/simcse-install-XXXXXX")
trap 'rm -rf "$folder"' EXIT

$make --no-print-directory out="$out" DESTDIR="$folder/stage" PREFIX=/opt/simcse install
prefix="$folder/a place with spaces"
mv "$folder/stage/opt/simcse" "$prefix"

expected="include/simcse.h
lib/cmake/simcse/simcseConfig.cmake
lib/cmake/simcse/simcseConfigVersion.cmake
lib/libsimcse.so
lib/libsimcse.so.1
lib/pkgconfig/simcse.pc"
found=$(cd "$prefix" && find . ! -type d | sed 's/^\.\///' | LC_ALL=C sort)
[ "$found" = "$expected" ] || { echo "FAILED: installed were: $found"; exit 1; }
[ "$(readlink "$prefix/lib/libsimcse.so")" = libsimcse.so.1 ] || { echo "FAILED: libsimcse.so is no link"; exit 1; }
if grep -r -I '@' "$prefix/lib"; then
  echo "FAILED: a name was not filled in"
  exit 1
fi

runs() {
  LD_LIBRARY_PATH="$prefix/lib" "$@" > "$folder/output" || { cat "$folder/output"; exit 1; }
}

if command -v pkg-config >/dev/null; then
  PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
  PKG_CONFIG_LIBDIR=$PKG_CONFIG_PATH
  export PKG_CONFIG_PATH PKG_CONFIG_LIBDIR
  [ "$(pkg-config --modversion simcse)" = "$version" ] || { echo "FAILED: pkg-config has another version"; exit 1; }
  eval "$cc -std=c99 examples/embed.c $(pkg-config --cflags --libs simcse) -lm -o '$folder/embed'"
  runs "$folder/embed"
  echo "embed.c built through pkg-config runs"
else
  echo "skipped pkg-config: there is none"
fi

if command -v cmake >/dev/null; then
  mkdir "$folder/program"
  cat > "$folder/program/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.16)
project(embed C)
find_package(simcse ${version%%-*} REQUIRED)
add_executable(embed "$source/examples/embed.c")
target_link_libraries(embed PRIVATE simcse::simcse m)
EOF
  cmake -S "$folder/program" -B "$folder/program/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="${cc%% *}" \
    > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  cmake --build "$folder/program/build" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  runs "$folder/program/build/embed"
  sed -i 's/find_package(simcse [0-9.]*/find_package(simcse 99/' "$folder/program/CMakeLists.txt"
  if cmake -S "$folder/program" -B "$folder/program/other" -DCMAKE_PREFIX_PATH="$prefix" > "$folder/log" 2>&1; then
    echo "FAILED: CMake takes this for version 99"
    exit 1
  fi
  echo "embed.c built through CMake runs"
else
  echo "skipped CMake: there is none"
fi
