#!/bin/sh
# amalgam.sh -- weir.c + weir.h build with a plain cc, without warnings, and run the README's program.
#
#   sh tests/outside/amalgam.sh SOURCE_DIR
set -eu
source=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sh "$source/tools/amalgam" "$dir"
cd "$dir"

# The first C block of the README that has a main().
awk '/^```c$/ { on = 1; text = ""; next }
     /^```$/ && on { on = 0; if (text ~ /main\(/) { printf "%s", text; exit } }
     on { text = text $0 "\n" }' "$source/README.md" >readme.c
[ -s readme.c ] || { echo "README.md has no C program"; exit 1; }

cc -O2 -Wall -Wextra -Werror -c weir.c -o weir.o
cc -O2 -I. weir.c readme.c -lpthread -o readme
timeout 60 ./readme
echo "readme: $(wc -l <readme.c) lines; weir.c: $(wc -l <weir.c) lines"
cc -O2 weir.c "$source/tests/outside/program.c" -I. -lpthread -o program
timeout 60 ./program
