#!/bin/bash
# The pgbench schema at a scale, end to end: `pgbench -i -I dtgvp` against the same tables filled by weighbridge
# through seed/pgbench.toml, with the same primary keys and vacuum. In turns; prints seconds and the ratio of each pair.
#
#   benches/peers/pgbench.sh [SCALE] [TURNS]        needs psql, pgbench and a release build
source "$(dirname "$0")/server.sh"
scale=${1:-100} turns=${2:-3}
pgbench=$(command -v pgbench || ls /usr/lib/postgresql/*/bin/pgbench | tail -1)

theirs() { "$pgbench" -i -I dtgvp -s "$scale" --quiet "$(of peer)" 2>/dev/null; }
ours() {
    "$pgbench" -i -I dt -s "$scale" --quiet "$(of peer)" 2>/dev/null
    "$weighbridge" seed --quiet --url "$(of peer)" --allow-writes --loaders 2 --spec seed/pgbench.toml --scale "$scale" >"$work/summary"
    "$pgbench" -i -I p -s "$scale" --quiet "$(of peer)" 2>/dev/null
}
rows() {
    psql -qtA "$(of peer)" -c "SELECT md5(string_agg(t::text, ',' ORDER BY aid)) FROM pgbench_accounts t WHERE aid % 997 = 0" \
        -c "SELECT count(*), max(bid), min(abalance) FROM pgbench_accounts" -c "SELECT md5(string_agg(t::text, ',' ORDER BY tid)) FROM pgbench_tellers t"
}

printf 'pgbench tables at scale %s, end to end\n%-8s %14s %14s %10s\n' "$scale" turn 'weighbridge s' 'pgbench s' ratio
for turn in $(seq "$turns"); do
    fresh; a=$(seconds ours); made=$(rows)
    fresh; b=$(seconds theirs); expected=$(rows)
    [ "$made" = "$expected" ] || { printf 'the rows differ:\n%s\n%s\n' "$made" "$expected"; exit 1; }
    awk -v t="$turn" -v a="$a" -v b="$b" 'BEGIN { printf "%-8s %14.2f %14.2f %10.2f\n", t, a, b, b / a }'
done
