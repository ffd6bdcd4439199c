#!/bin/sh
# check.sh -- each public header compiles alone, as C11 and as C++17, without a warning.
#
#   sh tests/headers/check.sh SOURCE_DIR [CC [CXX]]     TAP, two tests a header
set -eu
cd "$1/include"
cc=${2-cc}
cxx=${3-c++}
warnings='-Wall -Wextra -Wpedantic -Werror'
headers=$(find . -name '*.h' | sed 's,^\./,,' | sort)

number=0
result() { # STATUS NAME OUTPUT
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        echo "$3" | sed 's/^/#   /'
        failed=1
    fi
}

# alone COMPILER HEADER: twice, so that the include guard is used
alone() {
    printf '#include <%s>\n#include <%s>\nint main(void);\n' "$2" "$2" |
        $1 $warnings -I. -fsyntax-only - 2>&1
}

failed=0
echo "1..$(($(echo "$headers" | wc -l) * 2))"
for header in $headers; do
    status=0
    text=$(alone "$cc -x c -std=c11" "$header") || status=$?
    result $status "${header}_alone_is_C11" "$text"
    status=0
    text=$(alone "$cxx -x c++ -std=c++17" "$header") || status=$?
    result $status "${header}_alone_is_C++17" "$text"
done
exit $failed
