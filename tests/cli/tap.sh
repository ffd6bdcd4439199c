# tap.sh -- what the scripts that test all of a subcommand share: results as TAP.
# Sourced; `ok` shows the end of the file `err` if there is one.
number=0
failed=0

ok() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/#   /' err 2>/dev/null | tail -n 5
        failed=1
    fi
}

# same FOUND WANTED NAME
same() {
    [ "$1" = "$2" ]
    ok $? "$3"
    [ "$1" = "$2" ] || printf '#  found: %s\n# wanted: %s\n' "$1" "$2"
}

tap_end() {
    echo "1..$number"
    exit $failed
}
