#!/bin/sh
# run.sh -- golden tests of the tool: what is written to a folder is what it has to do.
#
#   sh tests/cli/run.sh WEIR [CASE ...]             TAP, one test a folder of tests/cli
#   UPDATE=1 sh tests/cli/run.sh WEIR [CASE ...]    rewrites stdout, stderr and exit; look at the diff
#
# A case is a folder with
#   cmd          a shell script; `weir` is on its PATH, its directory is empty, $case is the folder,
#                and `. "$lib"` gives it the functions of tests/cli/lib.sh
#   stdin        what it reads; nothing if absent
#   stdout stderr          what it must write, byte for byte; nothing if absent
#   stdout.glob stderr.glob   instead: by lines, where * is any text and the line ... any lines
#   stderr.ignore          instead: anything goes
#   exit         its exit status; 0 if absent
# and is stopped after 30 s (times TEST_TIMEOUT_MULT).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
weir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
limit=$((30 * ${TEST_TIMEOUT_MULT:-1}))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/bin"
ln -s "$weir" "$work/bin/weir"
PATH=$work/bin:$PATH
lib=$here/lib.sh
LC_ALL=C
NO_COLOR=1
export PATH lib LC_ALL NO_COLOR

# glob_match PATTERNS TEXT: whole lines, in order; prints the first line that is wrong.
glob_match() {
    awk '
    function fits(text, pattern,   parts, n, i, at) {
        n = split(pattern, parts, "*")
        if (n == 1) return text == pattern
        if (substr(text, 1, length(parts[1])) != parts[1]) return 0
        text = substr(text, length(parts[1]) + 1)
        for (i = 2; i < n; i++) {
            at = index(text, parts[i])
            if (!at) return 0
            text = substr(text, at + length(parts[i]))
        }
        return length(text) >= length(parts[n]) &&
               substr(text, length(text) - length(parts[n]) + 1) == parts[n]
    }
    function all(p, t) { # do patterns p.. fit lines t.. ?
        for (; p <= np; p++) {
            if (pat[p] == "...") {
                for (; t <= nt + 1; t++) if (all(p + 1, t)) return 1
                return 0
            }
            if (t > nt || !fits(line[t], pat[p])) {
                if (t >= far) { far = t; want = pat[p] }
                return 0
            }
            t++
        }
        if (t <= nt) { if (t >= far) { far = t; want = "the end" }; return 0 }
        return 1
    }
    FILENAME == ARGV[1] { pat[++np] = $0; next }
    { line[++nt] = $0 }
    END {
        if (all(1, 1)) exit 0
        print "line " far ": wanted: " want; print "line " far ": found:  " line[far]
        exit 1
    }' "$1" "$2"
}

# compare CASE WHAT: of the streams; explains on stdout what differs
compare() {
    wanted=$1/$2
    found=$work/$2
    if [ -e "$wanted.ignore" ]; then
        return 0
    elif [ -e "$wanted.glob" ]; then
        glob_match "$wanted.glob" "$found" && return 0
    else
        [ -e "$wanted" ] || wanted=/dev/null
        cmp -s "$wanted" "$found" && return 0
        diff -u "$wanted" "$found" | sed 1,2d | head -n 40
    fi
    echo "$2 differs"
    return 1
}

case_run() { # CASE: leaves stdout, stderr and exit in $work
    input=/dev/null
    [ ! -e "$case/stdin" ] || input=$case/stdin
    rm -rf "$work/dir"
    mkdir "$work/dir"
    status=0
    (cd "$work/dir" && exec timeout -k 2 "$limit" sh "$case/cmd") \
        <"$input" >"$work/stdout" 2>"$work/stderr" || status=$?
    echo "$status" >"$work/exit"
}

case_update() {
    for what in stdout stderr exit; do
        [ -e "$case/$what.glob" ] || [ -e "$case/$what.ignore" ] || cp "$work/$what" "$case/$what"
        [ -s "$case/$what" ] || rm -f "$case/$what"
    done
    [ "$(cat "$case/exit")" != 0 ] || rm "$case/exit"
}

case_check() {
    good=0
    compare "$case" stdout || good=1
    compare "$case" stderr || good=1
    wanted=0
    [ ! -e "$case/exit" ] || wanted=$(cat "$case/exit")
    if [ "$status" != "$wanted" ]; then
        echo "exit status $status, not $wanted"
        head -n 20 "$work/stderr"
        good=1
    fi
    return $good
}

[ $# != 0 ] || set -- $(cd "$here" && ls -d */ | tr -d /)
echo "1..$#"
number=0
failed=0
for name in "$@"; do
    case=$here/$name
    export case
    number=$((number + 1))
    case_run
    [ -z "${UPDATE-}" ] || case_update
    if text=$(case_check); then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        echo "$text" | sed 's/^/#   /'
        failed=1
    fi
done
exit $failed
