#!/bin/sh
# style.sh -- the rules of the house that no other tool knows.
#
#   sh tools/style.sh      prints each breach as file:line: what; 1 if there is one
#
#   - no `return -1`: that would be -EPERM; negative errno or WEIR_E...
#   - files under 600 lines, functions under 60, each file opens with a comment
#   - the wall clock only where dates of HTTP are read: everything else is given its time
#   - GNU statement expressions and inline assembly in src/core only
#   - a static function carries its file's noun: checked by building the amalgamation
set -eu
cd "$(dirname "$0")/.."

files=$(find include src cli -name '*.[ch]' | sort)
tests=$(find tests examples -name '*.[ch]' 2>/dev/null | sort)

# shellcheck disable=SC2086
awk '
function breach(what) { print FILENAME ":" FNR ": " what; bad = 1 }
# Two examples are shown elsewhere letter for letter, in the README and in the design.
FILENAME ~ /examples\/(readme|twenty)\.c$/ { next }
FNR == 1 { start = 0; code = 0; if ($0 !~ /^\/\*/) breach("opens without a comment") }
FNR == 600 { breach("is 600 lines long") }
/return -1;/ && FILENAME !~ /^(tests|examples)\// { breach("return -1 would be -EPERM") }
/(^|[^X])(TODO|FIXME|XXX)([^X]|$)/ { breach("unfinished") }
length($0) > 100 { breach("longer than 100 columns") }
/[ \t]$/ { breach("ends in a blank") }
/\t/ { breach("has a tab") }
/CLOCK_REALTIME|gettimeofday|[^_a-zA-Z0-9]time\((NULL|&)/ && FILENAME ~ /^(src|include)\// &&
    FILENAME !~ /^src\/http\// { breach("looks at the wall clock") }
/^\{/ { start = FNR }
/^\}/ && start { if (FNR - start > 60) breach("a function of " FNR - start " lines"); start = 0 }
/(__asm__|asm volatile|\(\{)/ && FILENAME ~ /^src\// && FILENAME !~ /^src\/core\// {
    breach("GNU extension outside src/core")
}
END { exit bad }
' $files $tests
