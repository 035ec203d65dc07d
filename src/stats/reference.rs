//! The estimators against reference values of scipy. Must hold tests alone.
//!
//! The values are made by `tests/data/statistics/make.py`.

use serde_json::Value;

use super::discovery::benjamini_hochberg;
use super::paired::effect;
use super::prediction::prediction_interval;
use super::ranks::ranks;
use super::steady::truncation;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/data/statistics/reference.json")).expect("the fixture is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "found {found}, expected {expected}");
}

#[test]
fn effects_and_intervals_are_those_of_scipy() {
    for sample in reference()["samples"].as_array().expect("samples") {
        let values = numbers(&sample["values"]);
        for (alpha, expected) in sample["intervals"].as_object().expect("by level") {
            let found = effect(&values, alpha.parse().expect("a level")).expect("enough pairs");
            close(found.estimate, sample["hodges_lehmann"].as_f64().expect("a number"));
            close(found.p_value, sample["t_p"].as_f64().expect("a number"));
            match expected {
                Value::Null => assert_eq!(found.of_difference, (f64::NEG_INFINITY, f64::INFINITY)),
                ends => {
                    close(found.of_difference.0, numbers(ends)[0]);
                    close(found.of_difference.1, numbers(ends)[1]);
                }
            }
        }
        // Two one-sided tests at 5 % are the interval of 90 %.
        let (found, expected) = (effect(&values, 0.05).expect("enough pairs"), numbers(&sample["intervals"]["0.1"]));
        close(found.of_equivalence.0, expected[0]);
        close(found.of_equivalence.1, expected[1]);
    }
}

#[test]
fn adjusted_p_values_and_truncation_points_are_those_of_the_reference() {
    let reference = reference();
    for family in reference["families"].as_array().expect("families") {
        let found = benjamini_hochberg(&numbers(&family["p"]));
        found.into_iter().zip(numbers(&family["adjusted"])).for_each(|(found, expected)| close(found, expected));
    }
    for series in reference["series"].as_array().expect("series") {
        assert_eq!(truncation(&numbers(&series["values"])) as u64, series["cut"].as_u64().expect("a place"));
    }
}

#[test]
fn ranks_of_quantiles_are_those_of_scipys_binomial_distribution() {
    for known in reference()["ranks"].as_array().expect("ranks") {
        let (n, quantile) = (known["n"].as_u64().expect("a number"), known["quantile"].as_f64().expect("a number"));
        let expected = known["ranks"].as_array().map(|ranks| {
            let at = |position: usize| ranks[position].as_u64().expect("a rank");
            (at(0), at(1))
        });
        assert_eq!(ranks(n, quantile, 0.95), expected, "{known}");
    }
}

#[test]
fn prediction_intervals_are_those_of_scipys_t_distribution() {
    for known in reference()["prediction"].as_array().expect("samples") {
        let family = known["family"].as_u64().expect("a number") as usize;
        let (low, high) = prediction_interval(&numbers(&known["values"]), family).expect("values enough");
        close(low, known["low"].as_f64().expect("a number"));
        close(high, known["high"].as_f64().expect("a number"));
    }
    assert_eq!(prediction_interval(&[0.1], 1), None);
}
