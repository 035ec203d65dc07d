//! Words of schemas: which states are ends, which follow which, which values stand beside which. Must know no table.

/// What a word says of a row's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Where rows begin: `pending`.
    First,
    /// On the way: `processing`.
    Running,
    /// Where most rows are: `active`, `paid`.
    Main,
    /// Exceptions and ends: `failed`, `deleted`.
    End,
}

/// The words of a name: `trialEndsAt`, `trial_ends_at` → trial, ends, at.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if !c.is_alphanumeric() {
            before = ' ';
            continue;
        }
        if begins || before == ' ' {
            found.push(String::new());
        }
        if let Some(word) = found.last_mut() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    found
}

/// Beginnings of words for exceptions and ends.
const ENDS: [&str; 60] = [
    "abandon",
    "abort",
    "anonymi",
    "archiv",
    "banned",
    "blacklist",
    "block",
    "bounc",
    "broken",
    "cancel",
    "chargeback",
    "churn",
    "consum",
    "dead$",
    "declin",
    "defunct",
    "delet",
    "denied",
    "deprecat",
    "destroy",
    "disabl",
    "discard",
    "disconnect",
    "disput",
    "dropped",
    "error",
    "expired",
    "fail",
    "flagged",
    "forgotten",
    "fraud",
    "hidden",
    "inactiv",
    "deactivat",
    "invalid",
    "killed",
    "locked",
    "lost$",
    "muted",
    "obsolete",
    "purg",
    "quarantin",
    "refund",
    "reject",
    "remov",
    "retired",
    "retract",
    "revok",
    "spam$",
    "stolen",
    "suspend",
    "terminat",
    "timed",
    "timeout",
    "trash",
    "unsubscrib",
    "void",
    "withdr",
    "wrong",
    "crash",
];

const FIRSTS: [&str; 21] = [
    "draft",
    "new$",
    "pending",
    "queued",
    "creat",
    "submitt",
    "request",
    "schedul",
    "wait",
    "unpaid",
    "unread",
    "todo$",
    "trial",
    "invit",
    "unverif",
    "unconfirm",
    "initial",
    "init$",
    "none$",
    "unknown",
    "placed",
];

const RUNNING: [&str; 14] = [
    "process", "running", "progress", "started", "shipp", "review", "picked", "packed", "active_", "import", "sending",
    "working", "doing", "partial",
];

const MAINS: [&str; 32] = [
    "active", "publish", "complet", "done$", "paid$", "deliver", "succe", "sent$", "accept", "approv", "confirm",
    "verif", "enabl", "live$", "finish", "resolv", "clos", "read$", "won$", "settl", "valid", "ok$", "public",
    "online", "visible", "open$", "opened", "ready", "captur", "healthy", "success", "normal",
];

/// What a value such as `in_review` or a name such as `is_locked` says.
pub(super) fn stage(text: &str) -> Option<Stage> {
    let words = words(text);
    // A short word is itself alone: `new` is no `newsletter`.
    let is = |word: &str, start: &str| match start.strip_suffix('$') {
        Some(whole) => word == whole,
        None => word.starts_with(start),
    };
    let any = |list: &[&str]| words.iter().any(|word| list.iter().any(|start| is(word, start)));
    let is_deadline = words.iter().any(|word| word.starts_with("deadline"));
    match () {
        () if any(&ENDS) && !is_deadline => Some(Stage::End),
        () if any(&FIRSTS) => Some(Stage::First),
        () if any(&RUNNING) => Some(Stage::Running),
        () if any(&MAINS) => Some(Stage::Main),
        () => None,
    }
}

/// Whether a moment or a flag of this name is set for exceptions alone.
pub(super) fn is_end(name: &str) -> bool {
    // A finish is the end of a row's life too, where it is a moment of its own.
    stage(name) == Some(Stage::End) || words(name).iter().any(|word| word.starts_with("finish"))
}

/// Where a moment stands in the life of a row, by the word that says so; `None` for moments outside of it, such as a
/// day of birth or of expiry.
pub(super) fn rank(word: &str) -> Option<u32> {
    const RANKS: [(u32, &[&str]); 9] = [
        (0, &["creat", "insert"]),
        (
            5,
            &[
                "add", "record", "regist", "signup", "joined", "submit", "request", "order", "placed", "book", "issue",
                "post", "enqueu", "queue", "invit", "draft", "logged", "occur", "generat",
            ],
        ),
        (10, &["schedul", "assign", "acknowledg", "confirm", "accept", "approv", "verif", "activat", "signed"]),
        (15, &["paid", "payment", "authoriz", "charg", "captur", "invoic", "billed"]),
        (20, &["start", "begin", "began", "begun", "pick", "pack", "checkin", "from", "launch", "publish", "first"]),
        (30, &["ship", "sent", "send", "dispatch", "depart", "attempt"]),
        (40, &["deliver", "arriv", "receiv", "seen", "read", "view", "click", "open"]),
        (
            50,
            &[
                "finish", "end", "complet", "process", "clos", "resolv", "done", "checkout", "stop", "settl", "return",
                "left", "to", "until", "thru", "through", "last", "fail", "succe", "graded", "marked", "evaluat",
            ],
        ),
        (60, &["refund", "reopen"]),
    ];
    // Not every word that begins with `to` or `end` is one of them.
    let is = |start: &str| match start {
        "to" | "from" | "end" | "first" | "last" | "add" | "read" | "left" => {
            word == start || word.strip_prefix(start).is_some_and(|rest| matches!(rest, "s" | "ed"))
        }
        _ => word.starts_with(start),
    };
    RANKS.iter().find(|(_, starts)| starts.iter().any(|start| is(start))).map(|(rank, _)| *rank)
}

/// Words of a moment's name that say nothing of which moment it is.
pub(super) fn is_filler(word: &str) -> bool {
    matches!(word, "at" | "on" | "date" | "time" | "timestamp" | "ts" | "datetime" | "utc" | "dt" | "when" | "day")
}

/// Whether two words are forms of one: `cancelled` and `canceled`, `completed` and `complete`.
pub(super) fn same_word(a: &str, b: &str) -> bool {
    let stem = |word: &str| {
        let word = word.replace("ll", "l");
        let cut = ["ing", "ed", "en", "e", "s"].iter().find_map(|end| word.strip_suffix(end));
        cut.unwrap_or(&word).to_owned()
    };
    let (a, b) = (stem(a), stem(b));
    a.len() >= 3 && (a == b || a.len() >= 5 && b.len() >= 5 && a[..5] == b[..5])
}

/// Values that stand beside one another in schemas, the first ones the common or the first ones.
const FAMILIES: [&[&str]; 41] = [
    &["active", "pending", "inactive", "suspended"],
    &["draft", "published", "archived"],
    &["pending", "processing", "completed", "failed"],
    &["queued", "running", "succeeded", "failed", "cancelled"],
    &["open", "in_progress", "resolved", "closed"],
    &["new", "active", "closed"],
    &["pending", "paid", "shipped", "delivered", "cancelled", "refunded"],
    &["unpaid", "paid", "refunded"],
    &["pending", "accepted", "rejected"],
    &["pending", "approved", "rejected"],
    &["scheduled", "sent", "delivered", "failed"],
    &["trialing", "active", "past_due", "canceled"],
    &["unread", "read"],
    &["todo", "doing", "done"],
    &["enabled", "disabled"],
    &["online", "offline"],
    &["success", "error"],
    &["valid", "invalid"],
    &["member", "admin", "owner", "guest"],
    &["user", "moderator", "admin"],
    &["viewer", "editor", "admin"],
    &["free", "pro", "enterprise"],
    &["basic", "standard", "premium"],
    &["normal", "low", "high", "urgent"],
    &["medium", "low", "high", "critical"],
    &["info", "warning", "error", "debug"],
    &["public", "private", "unlisted"],
    &["email", "sms", "push"],
    &["production", "staging", "development"],
    &["web", "ios", "android"],
    &["card", "bank_transfer", "paypal"],
    &["male", "female", "other"],
    &["light", "dark"],
    &["us", "de", "gb", "fr", "jp", "br", "in", "ca"],
    &["en", "de", "fr", "es", "pt", "ja"],
    &["usd", "eur", "gbp", "jpy", "cad"],
    &["eu", "us", "apac", "latam"],
    &["north", "south", "east", "west"],
    &["small", "medium", "large"],
    &["monthly", "yearly", "weekly"],
    &["in", "out"],
];

/// Families that a column's name alone suggests.
const BY_NAME: [(&str, usize); 20] = [
    ("status", 0),
    ("state", 0),
    ("role", 18),
    ("plan", 21),
    ("tier", 22),
    ("priority", 23),
    ("severity", 24),
    ("visibility", 26),
    ("privacy", 26),
    ("channel", 27),
    ("environment", 28),
    ("env", 28),
    ("platform", 29),
    ("gender", 31),
    ("theme", 32),
    ("payment_method", 30),
    ("log_level", 25),
    ("phase", 2),
    ("stage", 2),
    ("mode", 14),
];

/// Values that are believable beside these, of a column with this name, in the manner of those that are known.
pub(super) fn beside(name: &str, known: &[String]) -> Vec<String> {
    let low = |text: &String| text.to_lowercase();
    let has = |family: &&&[&str]| known.iter().any(|value| family.contains(&low(value).as_str()));
    let by_name = || {
        let name = name.to_lowercase();
        BY_NAME.iter().find(|(word, _)| name.ends_with(word)).map(|(_, family)| &FAMILIES[*family])
    };
    // The family that shares the most of what is known.
    let shared = |family: &&&[&str]| known.iter().filter(|value| family.contains(&low(value).as_str())).count();
    let family = FAMILIES.iter().filter(has).rev().max_by_key(shared).or_else(by_name);
    let Some(family) = family else { return Vec::new() };
    let upper = known.iter().any(|v| v.chars().any(char::is_alphabetic) && *v == v.to_uppercase());
    let capital = known.iter().any(|v| v.starts_with(char::is_uppercase));
    let manner = |value: &str| match (upper, capital) {
        (true, _) => value.to_uppercase(),
        (_, true) => value[..1].to_uppercase() + &value[1..],
        _ => value.to_owned(),
    };
    family.iter().map(|value| manner(value)).filter(|value| !known.iter().any(|k| low(k) == low(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_word_by_word() {
        assert_eq!(words("trialEndsAt"), ["trial", "ends", "at"]);
        assert_eq!(words("is_default"), ["is", "default"]);
        for (name, expected) in [
            ("locked_at", true),
            ("deletedAt", true),
            ("finished_on", true),
            ("lock_version", false),
            ("created_at", false),
            ("deadline", false),
            ("expires_at", false),
            ("expired_at", true),
            ("completed_at", false),
        ] {
            assert_eq!(is_end(name), expected, "{name}");
        }
        assert_eq!((stage("in_review"), stage("paid"), stage("xyz")), (Some(Stage::Running), Some(Stage::Main), None));
    }

    #[test]
    fn moments_have_an_order() {
        let order = ["created", "ordered", "confirmed", "paid", "shipped", "delivered", "refunded"];
        let ranks: Vec<u32> = order.iter().map(|word| rank(word).unwrap()).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
        assert!(rank("starts") < rank("ends") && rank("from") < rank("to") && rank("opened") < rank("closed"));
        assert_eq!((rank("total"), rank("endpoint"), rank("birth")), (None, None, None));
        assert!(same_word("cancelled", "canceled") && same_word("void", "voided") && !same_word("paid", "pain"));
    }

    #[test]
    fn believable_values_stand_beside_known_ones() {
        let known = |list: &[&str]| list.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        assert_eq!(beside("status", &known(&["shipped"])), ["pending", "paid", "delivered", "cancelled", "refunded"]);
        assert_eq!(beside("role", &known(&["MEMBER"])), ["ADMIN", "OWNER", "GUEST"]);
        assert_eq!(beside("status", &[]), ["active", "pending", "inactive", "suspended"]);
        assert!(beside("colour", &known(&["teal"])).is_empty());
    }
}
