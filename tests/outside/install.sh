#!/bin/sh
# install.sh -- `meson install` into a prefix, then a program that knows only that prefix.
#
#   sh tests/outside/install.sh SOURCE_DIR BUILD_DIR
set -eu
source=$1
build=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR=$dir meson install -C "$build" --no-rebuild --quiet
prefix=$(find "$dir" -path '*/include/weir.h' | sed 's,/include/weir.h$,,')
[ -n "$prefix" ] || { echo "weir.h was not installed"; exit 1; }
pc=$(dirname "$(find "$dir" -name weir.pc)")
lib=$(dirname "$pc")
export PKG_CONFIG_LIBDIR="$pc:$(pkg-config --variable pc_path pkg-config)"

# DESTDIR moved the tree: say where the prefix is now.
cp "$source/tests/outside/program.c" "$dir/program.c"
cd "$dir"
flags() {
    pkg-config --define-variable=prefix="$prefix" "$@" weir
}
cc -std=c11 -Wall -Wextra -Werror program.c -o shared $(flags --cflags --libs)
LD_LIBRARY_PATH=$lib ./shared
cc -std=c11 -Wall -Wextra -Werror program.c -o static $(flags --cflags) "$lib/libweir.a" -pthread
./static

# The version in the file names, in weir.pc and in the header is one.
version=$(pkg-config --modversion weir)
[ -e "$lib/libweir.so.$version" ] || { echo "no libweir.so.$version"; exit 1; }
[ "$(./static)" = "weir $version" ] || { echo "weir.pc says $version, the library $(./static)"; exit 1; }

# The tool finds its parts where they were installed.
weir=$prefix/bin/weir
[ "$("$weir" --version)" = "weir $version" ] || { echo "weir --version is not $version"; exit 1; }
if [ -e "$build/cli/weir-fetch" ]; then
    [ "$("$weir" fetch --version)" = "weir $version" ] || { echo "weir fetch does not run"; exit 1; }
fi
