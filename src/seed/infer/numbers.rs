//! What a number probably counts or measures, by its name. Must know no constraint.

use super::content::Named;
use super::theme::Theme;

/// A whole number.
pub(super) fn whole(named: &Named<'_>) -> String {
    let has = |words: &[&str]| named.has(words);
    let is = |words: &[&str]| named.is(words);
    let made = match () {
        () if has(&["rating", "stars"]) => "weights(5 46, 4 28, 3 13, 2 7, 1 6)",
        () if has(&["month"]) && !has(&["months"]) => "uniform(1, 12)",
        () if is(&["day"]) || has(&["day of month"]) => "uniform(1, 28)",
        () if has(&["weekday", "day of week", "dow"]) => "uniform(0, 6)",
        () if is(&["hour"]) || has(&["hour of day"]) => "uniform(0, 23)",
        () if is(&["minute", "second"]) => "uniform(0, 59)",
        () if has(&["year"]) => "uniform(2015, 2026)",
        () if is(&["age"]) || has(&["age years"]) => "uniform(18, 80)",
        () if has(&["http status", "status code", "response code"]) => {
            "weights(200 88, 201 4, 204 2, 301 1, 400 2, 404 2, 500 1)"
        }
        () if has(&["port"]) => "weights(443 60, 80 20, 8080 12, 5432 8)",
        () if has(&["width"]) => "weights(1920 40, 1280 25, 1080 15, 800 12, 3840 8)",
        () if has(&["height"]) => "weights(1080 40, 720 25, 1920 15, 600 12, 2160 8)",
        () if has(&["percent", "percentage", "pct", "progress", "score", "points"]) => "uniform(0, 100)",
        () if has(&[
            "position",
            "sort",
            "rank",
            "ordinal",
            "line no",
            "line number",
            "sequence",
            "seq",
            "display order",
        ]) =>
        {
            "uniform(1, 20)"
        }
        () if has(&["priority", "severity"]) => "weights(3 55, 2 20, 4 15, 1 7, 5 3)",
        () if has(&["level", "grade", "tier"]) => "weights(1 40, 2 30, 3 18, 4 9, 5 3)",
        () if has(&["view", "views", "impressions", "hits", "clicks", "downloads", "plays"]) => {
            "lognormal(median 180, p95 6000)"
        }
        () if has(&["likes", "votes", "upvotes", "shares", "followers", "reactions"]) => "lognormal(median 4, p95 90)",
        () if has(&["stock", "inventory", "on hand", "available"]) => "lognormal(median 40, p95 600)",
        () if has(&["seats", "capacity", "attendees", "employees", "headcount", "size limit", "max users"]) => {
            "lognormal(median 20, p95 300)"
        }
        () if has(&["quantity", "qty", "count", "counter", "total", "num", "number of"])
            && !has(&["amount", "cents"]) =>
        {
            "1 + exp(3)"
        }
        () if has(&["bytes", "size", "length"]) => "lognormal(median 180000, p95 8000000)",
        () if has(&["ms", "millis", "milliseconds", "latency"]) => "lognormal(median 120, p95 1800)",
        () if has(&["duration", "seconds", "secs", "elapsed", "spent"]) => "lognormal(median 300, p95 3600)",
        () if has(&["minutes", "mins"]) => "weights(30 30, 15 20, 45 15, 60 25, 90 10)",
        () if has(&["hours"]) => "uniform(1, 40)",
        () if has(&["days"]) => "weights(14 30, 30 30, 7 20, 60 10, 90 10)",
        () if has(&["weight", "grams"]) => "lognormal(median 450, p95 6000)",
        () if has(&["amount", "price", "cents", "cost", "fee", "salary", "budget", "revenue", "balance"]) => {
            "lognormal(median 2900, p95 19000)"
        }
        () if has(&["version", "revision", "attempt", "attempts", "retry", "retries", "failures"]) => "1 + exp(1)",
        () if has(&["tokens"]) => "1 + exp(60)",
        () if has(&["zip", "postcode"]) => "uniform(10000, 99999)",
        () => "uniform(1, 1000)",
    };
    made.to_owned()
}

/// A number with a fraction.
pub(super) fn fraction(named: &Named<'_>) -> String {
    let has = |words: &[&str]| named.has(words);
    let is = |words: &[&str]| named.is(words);
    let with_city = named.stands_beside(&["city", "town", "country"]);
    let made = match () {
        () if has(&["latitude"]) || is(&["lat"]) => {
            if with_city || named.theme == Theme::Address {
                "place(latitude)"
            } else {
                "uniform(-55, 65)"
            }
        }
        () if has(&["longitude"]) || is(&["lng", "lon", "long"]) => {
            if with_city || named.theme == Theme::Address {
                "place(longitude)"
            } else {
                "uniform(-180, 180)"
            }
        }
        () if has(&["rating", "stars"]) => "step(1 + 4 * uniform(0.4, 1), 0.1)",
        () if has(&["tax rate", "vat rate"]) => "weights('0.19' 30, '0.20' 30, '0.07' 15, '0.10' 10, '0' 15)",
        () if has(&["exchange rate", "fx rate"]) => "lognormal(median 1, p95 20)",
        () if has(&["hourly rate", "day rate", "rate per hour"]) => "lognormal(median 65, p95 160)",
        () if has(&["percent", "percentage", "pct", "progress", "score"]) => "step(uniform(0, 100), 0.1)",
        () if has(&["rate", "ratio", "share", "probability", "confidence", "fraction"]) => "uniform(0, 1)",
        () if has(&["discount"]) => match named.stands_beside(&["price", "amount", "total", "subtotal"]) {
            true => "0 70% | lognormal(median 5, p95 25)",
            false => "uniform(0, 1)",
        },
        () if has(&["tax", "vat"]) => "lognormal(median 6, p95 30)",
        () if has(&["shipping", "delivery"]) => "weights(0 40, '4.90' 35, '9.90' 20, '19.90' 5)",
        () if has(&["weight", "kg"]) => "lognormal(median 1.2, p95 18)",
        () if has(&["width", "height", "length", "depth", "cm", "mm"]) => "lognormal(median 30, p95 180)",
        () if has(&["temperature", "temp", "celsius"]) => "normal(mean 18, sd 7)",
        () if has(&["humidity"]) => "uniform(25, 90)",
        () if has(&["quantity", "qty", "hours"]) => "1 + exp(3)",
        () if has(&["salary"]) => "lognormal(median 52000, p95 130000)",
        () if has(&["budget", "revenue", "turnover"]) => "lognormal(median 18000, p95 250000)",
        () if has(&["ms", "latency", "duration", "seconds", "elapsed"]) => "lognormal(median 120, p95 1800)",
        () => "lognormal(median 39, p95 180)",
    };
    made.to_owned()
}
