#!/bin/bash
# Whether a side is slower under load for no reason but its place: a migration that changes nothing, on the bundled platform.
#
#   [FIRST_SEED=N] benches/calibration/bias.sh [TRIALS] [FLAGS OF prove]
#
# By default 6 trials. Prints for each trial the mean change of p50 and p95 over the actions, for `control` and for `after` against `before`;
# then mean, standard deviation over trials and standard error of each. A bias is a mean of more than twice its standard error.
# Needs a build (WEIGHBRIDGE=path, else target/dist) and python3.
source "$(dirname "$0")/../peers/server.sh"
trials=${1:-6}
project=$work/project
mkdir -p "$project"
cp -r migrations seed scenarios weighbridge.toml "$project/"
echo "COMMENT ON TABLE payments IS 'nothing'" > "$project/migrations/0009_nothing.up.sql"
echo "COMMENT ON TABLE payments IS NULL" > "$project/migrations/0009_nothing.down.sql"
for ((i = 0; i < trials; i++)); do
    seed=$((${FIRST_SEED:-1} + i))
    (cd "$project" && "$weighbridge" prove 0009 -q --no-isolated --chunks 8 --slice 250ms --scale 0.05 --seed "$seed" --no-focus \
        --results "$work/results" --format json "${@:2}" > "$work/bias-$seed.json") || true
    python3 - "$work/bias-$seed.json" "$seed" <<'PY'
import json, statistics, sys
actions = json.load(open(sys.argv[1]))["comparison"]["actions"]
line = f"seed {sys.argv[2]:>3}"
for against, key in (("control", "control"), ("after", "change")):
    for quantile in ("p50", "p95"):
        changes = [a[quantile][key]["change"] for a in actions if (a.get(quantile) or {}).get(key)]
        line += f"   {against} {quantile} {100 * statistics.mean(changes):+5.1f} %"
print(line, flush=True)
PY
done | tee "$work/lines"
python3 - "$work/lines" <<'PY'
import re, statistics, sys
trials = [[float(x) for x in re.findall(r"([+-]\s*[\d.]+) %", line)] for line in open(sys.argv[1])]
for name, changes in zip(("control p50", "control p95", "after p50", "after p95"), zip(*trials)):
    mean, deviation = statistics.mean(changes), statistics.stdev(changes)
    print(f"{name:<12} mean {mean:+.1f} %, standard deviation {deviation:.1f}, standard error {deviation / len(changes) ** 0.5:.1f}")
PY
