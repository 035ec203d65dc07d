#!/bin/bash
# The load driver's memory over a long run at full speed: 64 clients, the TPC-B-like script and the primary-key SELECT of pgbench.
# Prints resident MiB every so often, and fails when the end holds a tenth more than the second minute, by which buffers and histograms have their size.
#
#   benches/peers/soak.sh [MINUTES]        needs psql, pgbench and a release build, and Linux
source "$(dirname "$0")/server.sh"
minutes=${1:-10}
pgbench=$(command -v pgbench || ls /usr/lib/postgresql/*/bin/pgbench | tail -1)
fresh
"$pgbench" -q -i -s 10 "$(of peer)" 2>/dev/null
"$pgbench" --show-script=tpcb-like 2>"$work/tpcb.sql" || true
"$pgbench" --show-script=select-only 2>"$work/select.sql" || true
sed -i '/^-- /d' "$work/tpcb.sql" "$work/select.sql"
"$weighbridge" run --quiet --url "$(of peer)" --allow-writes -c 64 -j 2 -T "${minutes}m" --warm-up 0s -s 10 --max-tries 5 \
    -f "$work/tpcb.sql@1" -f "$work/select.sql@9" --results "$work/results" --format json >"$work/out" &
pid=$!
printf '%-10s %14s\n' second 'resident MiB'
first=0 last=0 second=0
while kill -0 "$pid" 2>/dev/null; do
    rss=$(awk '/VmRSS/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
    if [ -n "$rss" ] && [ $((second % 60)) = 0 ]; then
        awk -v s="$second" -v k="$rss" 'BEGIN { printf "%-10s %14.1f\n", s, k / 1024 }'
        [ "$second" = 120 ] && first=$rss
        [ "$second" -gt 120 ] && last=$rss
    fi
    sleep 1
    second=$((second + 1))
done
wait "$pid" || true
jq -r '"\(.evidence.all.ok) answers, \(.evidence.all.rate_per_s | floor) a second, \(.evidence.all.failed) failed, \(.verdict)"' "$work/out"
awk -v a="$first" -v b="$last" 'BEGIN { printf "the end holds %.3f of the second minute\n", b / a; exit b > 1.1 * a }'
