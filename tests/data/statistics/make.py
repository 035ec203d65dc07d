#!/usr/bin/env python3
"""Reference values for src/stats, made once with scipy: python3 -m venv v && v/bin/pip install scipy && v/bin/python make.py

Prints the fixture that stands beside this file. Nothing of ours is used to make it.
"""
import itertools
import json
import random
import statistics

import scipy
from scipy import stats


def walsh(values):
    return sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2))


def signed_rank_cdf(n):
    """P(T <= t) by counting all 2^n sign patterns, as a polynomial."""
    ways = [1]
    for rank in range(1, n + 1):
        ways = [(ways[t] if t < len(ways) else 0) + (ways[t - rank] if 0 <= t - rank < len(ways) else 0)
                for t in range(len(ways) + rank)]
    total, cdf, below = 2 ** n, [], 0
    for count in ways:
        below += count
        cdf.append(below / total)
    return cdf


def interval(values, alpha):
    """Walsh averages whose rejection regions scipy's exact test gives: the set of shifts it does not reject."""
    averages, cdf = walsh(values), signed_rank_cdf(len(values))
    k = sum(1 for p in cdf if p <= alpha / 2)
    return (averages[k - 1], averages[-k]) if 0 < k else None


def check(values, alpha):
    """scipy.stats.wilcoxon agrees: shifts just inside the interval are kept, just outside rejected."""
    found = interval(values, alpha)
    if found is None:
        return
    for shift, kept in ((found[0] + 1e-9, True), (found[0] - 1e-9, False), (found[1] - 1e-9, True), (found[1] + 1e-9, False)):
        p = stats.wilcoxon([v - shift for v in values], method="exact").pvalue
        assert (p > alpha) == kept, (values, alpha, shift, p)


def mser5(values):
    means = [statistics.fmean(values[i:i + 5]) for i in range(0, len(values) - 4, 5)]

    def error(cut):
        rest = means[cut:]
        mean = statistics.fmean(rest)
        return sum((x - mean) ** 2 for x in rest) / len(rest) ** 2
    return 5 * min(range(len(means) // 2 + 1), key=error)


def main():
    draw = random.Random(20261125)
    samples = []
    for n in (8, 9, 12, 16, 24, 33, 64):
        values = [round(draw.gauss(draw.choice([0.0, 0.03, -0.1]), 0.06), 6) for _ in range(n)]
        of = {}
        for alpha in (0.10, 0.05, 0.025, 0.0125):
            check(values, alpha)
            of[str(alpha)] = interval(values, alpha)
        test = stats.ttest_1samp(values, 0.0)
        samples.append({"values": values, "hodges_lehmann": statistics.median(walsh(values)), "intervals": of, "t_p": test.pvalue})
    families = []
    for n in (1, 5, 40):
        p_values = [round(draw.random() ** 2, 6) for _ in range(n)]
        families.append({"p": p_values, "adjusted": list(stats.false_discovery_control(p_values, method="bh"))})
    series = []
    for decay, n in ((0.0, 60), (4.0, 83), (12.0, 120), (90.0, 101)):
        values = [round(10 + (50 * 2.718281828 ** (-i / decay) if decay else 0) + draw.random(), 6) for i in range(n)]
        series.append({"values": values, "cut": mser5(values)})
    ranks = []
    for n in (6, 71, 72, 100, 367, 368, 1000, 5000, 123456):
        for q in (0.5, 0.95, 0.99, 0.999):
            below = stats.binom(n, q)
            # From 1: the largest with P(B < low) <= 2.5 %, the smallest with P(B >= high) <= 2.5 %.
            low = max((r for r in range(n + 1) if below.cdf(r - 1) <= 0.025), default=0) if n < 10000 else int(below.ppf(0.025))
            high = min((r for r in range(1, n + 2) if below.sf(r - 1) <= 0.025)) if n < 10000 else int(below.ppf(0.975)) + 1
            ranks.append({"n": n, "quantile": q, "ranks": [low, high] if 0 < low and high <= n else None})
    prediction = []
    for others, family in ((10, 11), (12, 13), (19, 20), (39, 40)):
        values = [round(draw.gauss(0.01, 0.02), 6) for _ in range(others)]
        t = stats.t.ppf(1 - 0.05 / (2 * family), others - 1)
        reach = t * statistics.stdev(values) * (1 + 1 / others) ** 0.5
        prediction.append({"values": values, "family": family, "low": statistics.fmean(values) - reach, "high": statistics.fmean(values) + reach})
    print(json.dumps({"scipy": scipy.__version__, "samples": samples, "families": families, "series": series, "ranks": ranks,
                      "prediction": prediction}, indent=1))


main()
