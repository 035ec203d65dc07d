#!/bin/bash
# Whether verdicts and intervals keep their promises on the real engine of this machine: trials of a migration that changes
# nothing, and of migrations that make one of five actions dearer by a known share of its work.
#
#   [FIRST_SEED=N] benches/calibration/trials.sh [NULL_TRIALS] [TRIALS_OF_EACH_EFFECT] [FLAGS OF prove]
#
# By default 40 and 10 trials; each takes a quarter of a minute. Flags such as `--interleave op` or `--replicates 4` calibrate those.
# Another first seed makes trials that can be added to those of an earlier run.
# Prints a line for each trial, then false verdicts, how often each effect was found, and how often the interval of 95 % of p50
# held the truth: 0 for the null, else the median estimate of the other trials of that effect, so that none is its own witness.
# The share that was expected to be found is that of the nulls whose p50 or p95 would have been called with the effect added. Needs a release build and python3.
source "$(dirname "$0")/project.sh"
nulls=${1:-40} each=${2:-10}
began=$(date +%s)
trial() { # effect in percent, seed, flags
    prove "$1" "$2" --rounds 2 --slice 250ms --chunks 8 "${@:3}" > "$work/trial-$1-$2.json"
    python3 - "$1" "$2" "$work/trial-$1-$2.json" <<'PY'
import json, sys
trial = json.load(open(sys.argv[3]))["comparison"]
of = {a["name"]: a for a in trial["actions"]}
c = (of["work"]["p50"] or {}).get("change")
p50 = f'{100*c["change"]:+.1f} % [{100*c["low"]:+.1f} … {100*c["high"]:+.1f}]' if c else "none"
print(f'effect {sys.argv[1]:>2} %  seed {sys.argv[2]:>3}  {trial["verdict"]:<12}  work p50 {p50:<26}  ' + " ".join(f'{n}:{a["verdict"]}' for n, a in of.items()), flush=True)
PY
}
# In turn, so that an hour of noise is nobody's alone.
seed=$((${FIRST_SEED:-1} - 1))
for ((i = 0; i < nulls; i++)); do
    seed=$((seed + 1)); trial 0 $seed "${@:3}"
    if ((i < each)); then for effect in 2 5 10 30; do seed=$((seed + 1)); trial $effect $seed "${@:3}"; done; fi
done
python3 - "$work" "$(( ($(date +%s) - began) / 60 ))" <<'PY'
import glob, json, math, statistics, sys
trials = {}
for path in sorted(glob.glob(sys.argv[1] + "/trial-*.json")):
    effect = int(path.split("/")[-1].split("-")[1])
    trials.setdefault(effect, []).append(json.load(open(path))["comparison"])
claims = ("improved", "regressed")
MARGIN = 0.05
# One find must survive the correction over ten metrics and four looks: t of 7 degrees of freedom at 0.05 / 40, over that at 0.05.
SURE = 5.20 / 2.36

def would_be_called(null, effect):
    """Whether a null, made slower by the effect, would have been called so: certain, and beyond the margin, its noise floor and what
    siblings differ by."""
    work = next(a for a in null["actions"] if a["name"] == "work")
    metrics = [m for m in (work["p50"], work["p95"]) if m and m["change"] and m["noise_floor"] is not None]
    shifted = lambda share: (1 + share) * (1 + effect) - 1
    def called(m):
        change, low = m["change"]["change"], m["change"]["low"]
        floor = max(MARGIN, m["noise_floor"], m["sibling_floor"] or 0)
        return floor < shifted(change) and 0 < shifted(change - SURE * (change - low))
    return any(called(m) for m in metrics)

print()
for effect, list_ in sorted(trials.items()):
    found = other = wrong = 0
    changes = []
    for t in list_:
        work = next(a for a in t["actions"] if a["name"] == "work")
        found += work["verdict"] == "regressed"
        wrong += work["verdict"] == "improved"
        other += any(a["verdict"] in claims for a in t["actions"] if a["name"] != "work")
        if work["p50"] and work["p50"]["change"]:
            changes.append(work["p50"]["change"])
    of_others = lambda n: statistics.median(c["change"] for m, c in enumerate(changes) if m != n)
    truths = [0.0 if effect == 0 or len(changes) < 2 else of_others(n) for n in range(len(changes))]
    truth = statistics.median(c["change"] for c in changes)
    held = sum(c["low"] <= of <= c["high"] for c, of in zip(changes, truths))
    expected = statistics.fmean(would_be_called(null, truth) for null in trials[0])
    if effect == 0:
        false = sum(any(a["verdict"] in claims for a in t["actions"]) for t in list_)
        print(f"null: {len(list_)} trials, {false} with a false verdict; interval of p50 held 0 in {held} of {len(changes)}")
    else:
        print(f"{effect} % more work: p50 {100*truth:+.1f} %; called slower in {found} of {len(list_)} trials, where {100*expected:.0f} % were expected, faster in {wrong}; another action called in {other}; interval held the truth in {held} of {len(changes)}")
print(f"{sum(map(len, trials.values()))} trials in {sys.argv[2]} minutes")
PY
