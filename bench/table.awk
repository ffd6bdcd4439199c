# The table of compare.sh, from its results and rows.tsv: the least CPU time of each program, in ns an
# item, the ratios, the bytes an item of weir, and whether the bound holds.
FILENAME ~ /results/ {
    split($0, f, "\t")
    key = f[1] SUBSEP f[2]
    if (!(key in cpu) || f[4] < cpu[key]) cpu[key] = f[4] + 0
    if (!(key in wall) || f[3] < wall[key]) wall[key] = f[3] + 0
    if (!(key in bytes) || f[5] < bytes[key]) bytes[key] = f[5] + 0
    next
}
/^#/ || !NF { next }
{
    rows[++n] = $1
    bound[$1] = $6
    of[$1] = $7
}
function number(x) {
    return x < 10 ? sprintf("%.2f", x) : x < 100 ? sprintf("%.1f", x) : sprintf("%.0f", x)
}
# Two loops run side by side: what they cost is the time that passes.
function time(row, who,   key) {
    key = row SUBSEP who
    if (!(key in cpu)) return ""
    return row ~ /_2t$|mapreduce/ ? wall[key] : cpu[key]
}
function cell(row, who,   t) {
    t = time(row, who)
    return t == "" ? "-" : number(t)
}
function other(row,   r, g) {
    if (of[row] != "peers") return time(row, of[row])
    r = time(row, "rust")
    g = time(row, "go")
    return r == "" || g != "" && g < r ? g : r
}
END {
    format = "| %-21s | %8s | %8s | %8s | %8s | %7s | %13s | %-6s |\n"
    printf(format, "ns an item", "weir", "floor", "tokio", "Go", "B/item", "bound", "")
    print "|---|--:|--:|--:|--:|--:|--:|---|"
    for (i = 1; i <= n; i++) {
        row = rows[i]
        t = time(row, "weir")
        if (t == "") continue
        b = other(row)
        said = bound[row] == "-" || b == "" ? "-" : bound[row] " " of[row]
        verdict = said == "-" ? "" : t <= bound[row] * b ? "held" : sprintf("%.2f", t / b)
        printf(format, row, number(t), cell(row, "floor"), cell(row, "rust"), cell(row, "go"),
            bytes[row SUBSEP "weir"] ? sprintf("%.0f", bytes[row SUBSEP "weir"]) : "-", said, verdict)
    }
    print "\nA bound is a ratio within this run; where it does not hold, the ratio found stands there."
    print "Times are CPU, but for mapreduce and rows of two loops (2t): wall."
}
