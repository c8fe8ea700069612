#!/usr/bin/env bash
# A program outside the tree can embed a node: installs into a scratch prefix, compiles every public
# header by itself as C and C++, builds the example against the shared and the static library
# through pkg-config and through CMake, and runs each until a transaction of its is committed.
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build_dir=${INGOT_BUILD_DIR:-$source_dir/build/release}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

cmake --install "$build_dir" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name libingot.a)")
export PKG_CONFIG_PATH=$libdir/pkgconfig
warnings=(-Wall -Wextra -Wpedantic -Wundef -Werror)

for header in "$prefix"/include/ingot/*.h; do
    printf '#include <ingot/%s>\n' "$(basename "$header")" >"$scratch/one.c"
    gcc -std=c11 "${warnings[@]}" -I"$prefix/include" -fsyntax-only "$scratch/one.c"
    g++ -std=c++17 "${warnings[@]}" -I"$prefix/include" -fsyntax-only -x c++ "$scratch/one.c"
done

# The example as if it were somebody's own project: nothing of the source tree is near it.
cp -r "$source_dir/examples/embed" "$scratch/project"
mkdir "$scratch/static" "$scratch/programs"
cp "$libdir/libingot.a" "$scratch/static"
read -ra cflags <<<"$(pkg-config --cflags ingot)"
read -ra libs <<<"$(pkg-config --libs ingot)"
read -ra static_libs <<<"$(pkg-config --static --libs ingot)"
gcc -std=c11 "${warnings[@]}" "${cflags[@]}" "$scratch/project/embed.c" \
    "${libs[@]}" -Wl,-rpath,"$libdir" -o "$scratch/programs/pkg_config_shared"
# The linker takes the static library where it is the only one in the first folder.
gcc -std=c11 "${warnings[@]}" "${cflags[@]}" "$scratch/project/embed.c" \
    -L"$scratch/static" "${static_libs[@]}" -o "$scratch/programs/pkg_config_static"
cmake -S "$scratch/project" -B "$scratch/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$scratch/cmake" >/dev/null
cp "$scratch/cmake/embed" "$scratch/programs/cmake_shared"
cp "$scratch/cmake/embed_static" "$scratch/programs/cmake_static"

# What was asked for is what was linked.
for name in pkg_config cmake; do
    readelf -d "$scratch/programs/${name}_shared" | grep 'NEEDED.*libingot\.so' >/dev/null
    if readelf -d "$scratch/programs/${name}_static" | grep 'NEEDED.*libingot\.so'; then
        echo "${name}_static is linked with the shared library"
        exit 1
    fi
done

# One validator is a network too. A port may be taken between choosing it and using it; then
# another is tried.
run() { # name
    local attempt status port output
    for attempt in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        rm -rf "$scratch/network"
        "$prefix/bin/ingot" testnet --validators 1 --output "$scratch/network" --app kv \
            --base-port "$port" >/dev/null
        status=0
        output=$(timeout 30 "$scratch/programs/$1" "$scratch/network/node0" "name=$1" 2>&1) || status=$?
        if [ "$status" -eq 0 ] && grep -qE '^block [0-9]+ holds 1 transactions$' <<<"$output"; then
            echo "$1: $(grep 'holds 1 ' <<<"$output")"
            return
        fi
        echo "$1, attempt $attempt, status $status: $output" >&2
        grep -qi 'in use' <<<"$output" || return 1
    done
    return 1
}
for program in "$scratch"/programs/*; do
    run "$(basename "$program")"
done
