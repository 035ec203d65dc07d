#!/bin/bash
# The load driver against pgbench, sysbench and the floor, on one server, in turns: the same statements, clients, threads and
# Unix socket. Prints answers a second, driver CPU per answer, and medians of the ratios; then schedule lag of open loops.
#
#   benches/peers/load.sh [TURNS] [SECONDS] [open]        `open` measures the open loops alone; needs psql, pgbench, sysbench, jq and a release build
source "$(dirname "$0")/server.sh"
turns=${1:-5} length=${2:-6}
pgbench=$(command -v pgbench || ls /usr/lib/postgresql/*/bin/pgbench | tail -1)
floor=$(cargo bench --bench floor --no-run --message-format=json 2>/dev/null | jq -r 'select(.executable and .target.name == "floor") | .executable')
fresh
"$pgbench" -q -i -s 10 "$(of peer)" 2>/dev/null
socket=${url#*host=}
scripts=$work/scripts
mkdir -p "$scripts"
cat >"$scripts/select.sql" <<'S'
\set aid random(1, 100000 * :scale)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
S
"$pgbench" --show-script=tpcb-like 2>"$scripts/tpcb.sql" || true
sed -i '/^-- /d' "$scripts/tpcb.sql"
cat >"$scripts/point.sql" <<'S'
\set id random(1, 100000)
SELECT c FROM sbtest1 WHERE id = :id;
S

# Each prints answers a second and CPU µs of the driver per answer.
timed() { /usr/bin/time -o "$work/time" -f '%U %S' "$@" >"$work/out" 2>"$work/err"; }
cpu() { awk -v n="$1" '{ printf "%.2f", ($1 + $2) * 1e6 / n }' "$work/time"; }
theirs() {
    timed "$pgbench" -M prepared -n -c 8 -j 2 -T "$length" "$@" "$(of peer)"
    local n; n=$(awk '/actually processed/ { print $NF }' "$work/out" | cut -d/ -f1)
    echo "$(awk '/^tps/ { print $3 }' "$work/out") $(cpu "$n")"
}
ours() {
    timed "$weighbridge" run --quiet --url "$(of peer)" --allow-writes -c 8 -j 2 -T "${length}s" --warm-up 0s -s 10 --results "$work/results" --format json "$@" || true
    echo "$(jq -r .evidence.all.rate_per_s "$work/out") $(cpu "$(jq -r .evidence.all.ok "$work/out")")"
}
sysb() {
    timed sysbench oltp_point_select --db-driver=pgsql --pgsql-host="$socket" --pgsql-user=weighbridge --pgsql-db=peer \
        --tables=1 --table-size=100000 --threads=8 --time="$length" --report-interval=0 run
    local n; n=$(awk '/transactions:/ { print $2 }' "$work/out")
    echo "$(awk '/transactions:/ { gsub(/[(]/, "", $3); print $3 }' "$work/out") $(cpu "$n")"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
compare() {
    local name=$1 peer=$2; shift 2
    : >"$work/rates"; : >"$work/cpus"
    printf '\n%s: weighbridge against %s, %s turns of %s s\n%-6s %12s %12s %8s %12s %12s %8s\n' "$name" "$peer" "$turns" "$length" \
        turn 'ours/s' "$peer/s" ratio 'ours µs' "$peer µs" ratio
    for turn in $(seq "$turns"); do
        local a b
        if [ $((turn % 2)) = 0 ]; then a=$($1); b=$($2); else b=$($2); a=$($1); fi
        echo "$a $b" | awk -v t="$turn" -v r="$work/rates" -v c="$work/cpus" '{
            printf "%-6s %12.0f %12.0f %8.2f %12.2f %12.2f %8.2f\n", t, $1, $3, $1 / $3, $2, $4, $2 / $4; print $1 / $3 >>r; print $2 / $4 >>c }'
    done
    printf 'median ratio of answers %.3f, of CPU %.3f\n' "$(median <"$work/rates")" "$(median <"$work/cpus")"
}
o_select() { ours -f "$scripts/select.sql"; }
p_select() { theirs -S; }
o_tpcb() { ours -f "$scripts/tpcb.sql"; }
p_tpcb() { theirs; }
o_point() { ours -f "$scripts/point.sql"; }
f_select() { "$floor" "$socket" weighbridge peer 2 8 "$length" 1000000; }

if [ "${3:-}" != open ]; then
    compare 'SELECT by key' pgbench o_select p_select
    compare 'TPC-B-like' pgbench o_tpcb p_tpcb
    compare 'SELECT by key' floor o_select f_select
    sysbench oltp_point_select --db-driver=pgsql --pgsql-host="$socket" --pgsql-user=weighbridge --pgsql-db=peer --tables=1 --table-size=100000 prepare >/dev/null
    psql -q "$(of peer)" -c 'VACUUM ANALYZE sbtest1'
    compare 'oltp_point_select' sysbench o_point sysb
fi

printf '\nopen loop, SELECT by key, 16 connections, %s turns of %s s: medians of schedule lag in ms\n%-8s %10s %10s %12s %12s\n' \
    "$turns" "$length" rate 'ours p50' 'ours p99' 'pgbench p50' 'pgbench p99'
o_open() {
    "$weighbridge" run --quiet --url "$(of peer)" -R "$1" --connections 16 -j 2 -T "${length}s" --warm-up 0s -s 10 -f "$scripts/select.sql" \
        --results "$work/results" --format json >"$work/out" 2>/dev/null || true
    jq -r '.evidence.all.lag | "\(.us_p50 / 1000) \(.us_p99 / 1000)"' "$work/out"
}
p_open() {
    rm -f "$work"/log.*
    (cd "$work" && "$pgbench" -M prepared -n -S -c 16 -j 2 -T "$length" -R "$1" -l --log-prefix="$work/log" "$(of peer)" >/dev/null 2>&1)
    cat "$work"/log.* | awk '{ print $7 / 1000 }' | sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 0.5)], v[int(NR * 0.99)] }'
}
for rate in 500 2000 10000; do
    : >"$work/lags"
    for turn in $(seq "$turns"); do
        if [ $((turn % 2)) = 0 ]; then a=$(o_open "$rate"); b=$(p_open "$rate"); else b=$(p_open "$rate"); a=$(o_open "$rate"); fi
        echo "$a $b" >>"$work/lags"
    done
    column() { awk -v c="$1" '{ print $c }' "$work/lags" | median; }
    printf '%-8s %10.3f %10.3f %12.3f %12.3f\n' "$rate" "$(column 1)" "$(column 2)" "$(column 3)" "$(column 4)"
done
