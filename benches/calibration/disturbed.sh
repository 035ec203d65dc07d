#!/bin/bash
# Whether a machine disturbed on purpose makes a verdict of a migration that changes nothing: a busy loop on one processor that is
# switched on half-way, checkpoints one after the other, and pg_dump of another database of the same server, again and again.
#
#   benches/calibration/disturbed.sh [TRIALS_OF_EACH]     default 5; a trial takes three quarters of a minute
#
# Prints a line for each trial and the false verdicts of each disturbance. Needs a release build, python3, psql and pg_dump.
source "$(dirname "$0")/project.sh"
each=${1:-5}
psql -q "$url" -c "CREATE DATABASE neighbour"
psql -q "$(of neighbour)" -c "CREATE TABLE heap AS SELECT n, md5(n::text) FROM generate_series(1, 2000000) n"
disturb() { # which, until it is ended
    case $1 in
        "busy loop")
            # Half of the chunks are done by then: the trial says so in its file of results.
            until [ "$(chunks_done)" -ge 4 ]; do sleep 0.2; done
            exec python3 -c 'while True: pass' ;;
        "checkpoint storm") while :; do psql -q "$(of neighbour)" -c "UPDATE heap SET n = n WHERE n % 500 = 0" -c CHECKPOINT; done ;;
        "pg_dump") while :; do pg_dump "$(of neighbour)" > /dev/null; done ;;
    esac
}
chunks_done() {
    python3 - "$work/results" <<'PY'
import glob, json, os, sys
newest = max(glob.glob(sys.argv[1] + "/*/trial.json"), key=os.path.getmtime, default=None)
print(len(json.load(open(newest))["evidence"]["chunks"]) if newest else 0)
PY
}
seed=0
for ((i = 0; i < each; i++)); do
    for which in "busy loop" "checkpoint storm" "pg_dump"; do
        seed=$((seed + 1))
        rm -rf "$work/results"
        disturb "$which" & disturber=$!
        prove 0 $seed --rounds 4 --slice 250ms --chunks 8 > "$work/trial-$which-$seed.json"
        kill $disturber 2>/dev/null || true
        wait $disturber 2>/dev/null || true
        python3 - "$which" $seed "$work/trial-$which-$seed.json" <<'PY'
import json, sys
trial = json.load(open(sys.argv[3]))["comparison"]
told = sorted({finding["id"] for finding in trial["findings"]})
print(f'{sys.argv[1]:<17} seed {sys.argv[2]:>3}  {trial["verdict"]:<12}  told: {", ".join(told) or "nothing"}', flush=True)
PY
    done
done
python3 - "$work" <<'PY'
import glob, json, sys
trials = {}
for path in sorted(glob.glob(sys.argv[1] + "/trial-*.json")):
    trials.setdefault(path.split("trial-")[1].rsplit("-", 1)[0], []).append(json.load(open(path))["comparison"])
print()
for which, list_ in trials.items():
    false = sum(any(a["verdict"] in ("improved", "regressed") for a in t["actions"]) for t in list_)
    counts = {}
    for t in list_:
        counts[t["verdict"]] = counts.get(t["verdict"], 0) + 1
    print(f'{which}: {len(list_)} trials, {false} with a false verdict ({", ".join(f"{n} {v}" for v, n in sorted(counts.items()))})')
PY
