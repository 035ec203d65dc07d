#!/bin/bash
# The most memory `weighbridge seed` takes, at several scales of the platform: the same number of rows each time,
# as one part of datasets of different sizes. Prints MiB (VmHWM of the program, the server not counted).
#
#   benches/peers/memory.sh [SCALES]        needs a release build and Linux
source "$(dirname "$0")/server.sh"
scales=${1:-"1 3 10"}
printf '%-8s %-8s %12s\n' scale part 'peak MiB'
for scale in $scales; do
    parts=$((scale * 10))
    part="$parts/$parts"
    "$weighbridge" seed --quiet --database "at$scale" --scale "$scale" --shard "$part" >/dev/null &
    pid=$! peak=0
    while kill -0 "$pid" 2>/dev/null; do
        now=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
        [ -n "$now" ] && peak=$now
        sleep 0.05
    done
    wait "$pid"
    awk -v s="$scale" -v p="$part" -v k="$peak" 'BEGIN { printf "%-8s %-8s %12.0f\n", s, p, k / 1024 }'
done
