#!/bin/bash
# Twenty actions at a hundred requests a second each: whether a regression of 10 % in one of them is named in under five minutes, and
# whether a migration that changes nothing is ever called anything.
#
#   benches/calibration/twenty.sh [REGRESSIONS] [NULLS] [LONG_NULLS]     default 2 (up to five minutes each), 20 (40 seconds each) and 1 (as
#                                                                        long as a regression, so that a small false change could be seen)
#
# Needs a release build and python3.
source "$(dirname "$0")/project.sh"
regressions=${1:-2} nulls=${2:-20} long=${3:-1}
# Exactly one of twenty becomes dearer.
only="WHERE id = 7"
cat >> "$project/migrations/0001_base.up.sql" <<'SQL'
DELETE FROM cost;
INSERT INTO cost SELECT n, CASE n WHEN 7 THEN 20000 ELSE 3000 END FROM generate_series(1, 20) n;
SQL
{
    printf 'name = "twenty"\n[load]\nrate = 2000\nconnections = 8\n'
    for ((n = 1; n <= 20; n++)); do
        # Each says another number, so that their answers differ.
        printf '[[action]]\nname = "action_%02d"\nsql = "SELECT count(work(loops)), %d FROM cost WHERE id = %d"\n' $n $n $n
    done
} > "$project/scenario.toml"
told() { # what, seed, document, seconds
    python3 - "$@" <<'PY'
import json, sys
trial = json.load(open(sys.argv[3]))
actions = trial["comparison"]["actions"]
names = lambda *verdicts: [a["name"] for a in actions if a["verdict"] in verdicts]
p50 = (actions[6]["p50"] or {}).get("change")
p50 = f'p50 of action_07 {100*p50["change"]:+.1f} % [{100*p50["low"]:+.1f} … {100*p50["high"]:+.1f}]' if p50 else ""
def moved(a):
    shown = [f'{m} {100*a[m]["change"]["change"]:+.1f} % beyond ±{100*max(a[m]["noise_floor"], a[m]["sibling_floor"] or 0):.1f}'
             for m in ("p50", "p95") if a[m] and a[m]["verdict"] in ("regressed", "improved")]
    return f'{a["name"]} ({", ".join(shown)})'
called = [moved(a) for a in actions if a["verdict"] in ("regressed", "improved")]
undecided = [a for a in actions if a["verdict"] == "inconclusive"]
told = sum(1 for a in undecided if a["chunks_needed"])
print(f'{sys.argv[1]}, seed {sys.argv[2]:>2}: {trial["comparison"]["verdict"]} after {len(trial["evidence"]["chunks"])} chunks and {sys.argv[4]} s; '
      f'called: {", ".join(called) or "none"}; same: {len(names("same"))}; not decided: {len(undecided)}, with how many chunks would decide: {told}; {p50}', flush=True)
PY
}
for ((seed = 1; seed <= regressions; seed++)); do
    began=$(date +%s)
    # A ninth more work is a tenth more time: the way to the server and back stays what it was.
    prove 11 $seed --chunks 15 > "$work/regression.json"
    told "10 % in action_07" $seed "$work/regression.json" $(($(date +%s) - began))
done
false=0
null() { # what, seed, flags
    local began
    began=$(date +%s)
    prove 0 "$2" "${@:3}" > "$work/null.json"
    told "$1" "$2" "$work/null.json" $(($(date +%s) - began))
    grep -qE '"verdict": "(improved|regressed)"' "$work/null.json" && false=$((false + 1)) || true
}
for ((seed = 1; seed <= nulls; seed++)); do null "null" $seed --rounds 2 --slice 500ms --chunks 8; done
for ((seed = 1; seed <= long; seed++)); do null "long null" $((100 + seed)) --chunks 15; done
echo "$nulls short and $long long nulls over twenty actions: $false with a false verdict"
