#!/bin/bash
# How far identical clones differ: a migration that changes nothing, on the bundled platform, over many sets of clones.
#
#   benches/calibration/clones.sh [SETS] [FLAGS OF prove]
#
# By default 12 sets, first in isolation and then under load. Prints, over actions, the standard deviation between sets of the change of `control` and of
# `after` against `before`: the mean over connection sets of processor time and of the clock, and the mean over chunks of p50 and p95.
# Needs a build (WEIGHBRIDGE=path, else target/dist) and python3.
source "$(dirname "$0")/../peers/server.sh"
sets=${1:-12}
project=$work/project
mkdir -p "$project"
cp -r migrations seed scenarios weighbridge.toml "$project/"
echo "COMMENT ON TABLE payments IS 'nothing'" > "$project/migrations/0009_nothing.up.sql"
echo "COMMENT ON TABLE payments IS NULL" > "$project/migrations/0009_nothing.down.sql"
prove() { # name, flags
    local name=$1
    shift
    (cd "$project" && "$weighbridge" prove 0009 -q --scale 0.05 --replicates "$sets" --results "$work/results" --format json "$@" \
        > "$work/$name.json") || true
}
prove isolated --quick "${@:2}"
prove load --no-isolated --no-focus --chunks $((2 * sets)) --slice 250ms "${@:2}"
python3 - "$work" <<'PY'
import json, math, statistics as s, sys
def deviation(by_set):
    """Standard deviation between sets of clones, pooled over actions."""
    variances = [s.variance(list(values.values())) for values in by_set if len(values) > 1]
    return 100 * math.sqrt(s.mean(variances))
isolated = json.load(open(sys.argv[1] + "/isolated.json"))["evidence"]["isolated"]
print(f"huge pages: {isolated.get('huge_pages')}")
for clock in ("cpu", "wall"):
    for pair in ("control", "after"):
        by_action = []
        for action in isolated["actions"]:
            sets = {}
            for one in action["sets"]:
                value = (one.get(clock) or {}).get(pair)
                if value is not None:
                    sets.setdefault(one["replicate"], []).append(value)
            by_action.append({name: s.mean(values) for name, values in sets.items()})
        print(f"isolated {clock:<5} {pair:<8} {deviation(by_action):.2f} %")
# Under load the interval is Student's over the means of the sets: its half width is t · sd / √sets, on the logarithms.
STUDENT = {3: 4.303, 4: 3.182, 6: 2.571, 8: 2.365, 12: 2.201}
trial = json.load(open(sys.argv[1] + "/load.json"))
sets = trial["evidence"]["design"]["replicates"]
for quantile in ("p50", "p95"):
    for pair, key in (("control", "control"), ("after", "change")):
        deviations = []
        for action in trial["comparison"]["actions"]:
            change = (action.get(quantile) or {}).get(key)
            if change:
                half = math.log((1 + change["high"]) / (1 + change["low"])) / 2
                deviations.append(half * math.sqrt(sets) / STUDENT[sets])
        print(f"load {quantile}  {pair:<8} {100 * math.sqrt(s.mean(d * d for d in deviations)):.1f} %")
PY
