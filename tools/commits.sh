#!/bin/sh
# commits.sh -- builds every commit since REV, and runs its quickest tests: each has to stand alone.
#
#   sh tools/commits.sh REV [MESON-OPTION ...]
#
# Prints a line a commit; the exit status is 0 if and only if all of them built and passed.  Works in
# a worktree of its own under ${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}: yours is not touched.
set -u
if [ $# -lt 1 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cd "$(dirname "$0")/.." || exit 1
since=$1
shift
git rev-parse -q --verify "$since^{commit}" >/dev/null || {
    echo "commits: no commit $since" >&2
    exit 2
}
build=${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}
mkdir -p "$build" || exit 1
tree=$(mktemp -d "$build/commits.XXXXXX") || exit 1
trap 'git worktree remove --force "$tree/source" 2>/dev/null; rm -rf "$tree"' EXIT
trap 'exit 130' INT TERM

# one COMMIT MESON-OPTION ...: 0 if it builds and its tests pass
one() {
    git -C "$tree/source" checkout -q --detach "$1" || return 1
    shift
    rm -rf "$tree/build"
    meson setup "$tree/build" "$tree/source" --buildtype=debug -Doptimization=1 "$@" &&
        ninja -C "$tree/build" &&
        meson test -C "$tree/build" --no-rebuild --suite base --suite policy --suite core
}

git worktree add -q --detach "$tree/source" HEAD || exit 1
bad=0
count=0
for commit in $(git rev-list --reverse --no-merges "$since..HEAD"); do
    count=$((count + 1))
    title=$(git log -1 --format='%h %s' "$commit")
    if one "$commit" "$@" >"$tree/log" 2>&1; then
        echo "ok: $title"
    else
        bad=$((bad + 1))
        tail -n 30 "$tree/log"
        echo "FAILED: $title"
    fi
done
echo "$((count - bad)) of $count commits build and pass"
[ "$bad" = 0 ]
