//! What a table is about, by its name. Must know no column.

use super::lexicon::words;

/// What the rows of a table stand for, as far as their texts depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    Person,
    Company,
    Course,
    Section,
    Lesson,
    Quiz,
    Question,
    Choice,
    Assignment,
    Feedback,
    Product,
    Article,
    Task,
    Project,
    Team,
    Message,
    Comment,
    Review,
    Thread,
    Ticket,
    Note,
    Announcement,
    Category,
    Tag,
    Role,
    Permission,
    Plan,
    Coupon,
    Country,
    Currency,
    Language,
    File,
    Event,
    Notification,
    Log,
    Order,
    Payment,
    Session,
    Address,
    Subscription,
    /// Nothing that is known.
    Other,
}

/// Words of table names, in the singular, and what they mean.
const WORDS: [(Theme, &[&str]); 40] = [
    (
        Theme::Person,
        &[
            "user",
            "customer",
            "person",
            "people",
            "employee",
            "member",
            "contact",
            "student",
            "teacher",
            "instructor",
            "author",
            "patient",
            "driver",
            "lead",
            "profile",
            "staff",
            "participant",
            "subscriber",
            "guest",
            "attendee",
            "owner",
            "candidate",
            "client",
            "tutor",
            "doctor",
            "player",
            "passenger",
            "recipient",
            "host",
            "buyer",
            "seller",
            "follower",
            "applicant",
            "worker",
            "volunteer",
            "donor",
            "tenant_user",
        ],
    ),
    (
        Theme::Company,
        &[
            "company",
            "organisation",
            "organization",
            "tenant",
            "vendor",
            "supplier",
            "merchant",
            "partner",
            "brand",
            "publisher",
            "institution",
            "school",
            "workspace",
            "shop",
            "store",
            "account",
            "manufacturer",
            "org",
            "business",
            "agency",
            "clinic",
            "hospital",
            "restaurant",
            "hotel",
            "carrier",
        ],
    ),
    (Theme::Course, &["course", "class", "program", "curriculum", "training"]),
    (Theme::Section, &["section", "module", "chapter", "unit"]),
    (Theme::Lesson, &["lesson", "lecture", "activity"]),
    (Theme::Quiz, &["quiz", "exam", "test", "survey"]),
    (Theme::Question, &["question", "poll"]),
    (Theme::Choice, &["option", "choice", "answer"]),
    (Theme::Assignment, &["assignment", "homework", "exercise", "submission"]),
    (Theme::Feedback, &["grade", "feedback", "evaluation"]),
    (
        Theme::Product,
        &[
            "product",
            "item",
            "variant",
            "sku",
            "listing",
            "article_number",
            "good",
            "part",
            "asset",
            "inventory",
            "stock",
        ],
    ),
    (
        Theme::Article,
        &["article", "post", "page", "blog", "story", "document", "entry", "book", "newsletter", "campaign"],
    ),
    (Theme::Task, &["task", "issue", "todo", "job", "bug", "card", "incident", "request", "change", "feature"]),
    (
        Theme::Project,
        &["project", "board", "list", "collection", "repository", "release", "milestone", "sprint", "epic"],
    ),
    (Theme::Team, &["team", "department", "group", "unit_group", "squad"]),
    (Theme::Message, &["message", "chat", "conversation", "mail", "email", "sms"]),
    (Theme::Comment, &["comment", "reply", "discussion_post", "response"]),
    (Theme::Review, &["review", "rating", "testimonial"]),
    (Theme::Thread, &["thread", "topic", "discussion", "forum"]),
    (Theme::Ticket, &["ticket", "case", "complaint", "inquiry", "support"]),
    (Theme::Note, &["note", "remark", "memo", "annotation"]),
    (Theme::Announcement, &["announcement", "news"]),
    (Theme::Category, &["category", "genre", "subject", "taxonomy", "department_type"]),
    (Theme::Tag, &["tag", "label", "keyword", "hashtag", "skill"]),
    (Theme::Role, &["role"]),
    (Theme::Permission, &["permission", "privilege", "scope", "ability"]),
    (Theme::Plan, &["plan", "tier", "package"]),
    (Theme::Coupon, &["coupon", "voucher", "promotion", "discount", "promo"]),
    (Theme::Country, &["country", "nation"]),
    (Theme::Currency, &["currency"]),
    (Theme::Language, &["language", "locale"]),
    (Theme::File, &["file", "attachment", "media", "upload", "image", "photo", "video", "download", "blob"]),
    (Theme::Event, &["event", "meeting", "appointment", "webinar", "meetup", "booking", "reservation", "calendar"]),
    (Theme::Notification, &["notification", "alert", "reminder", "template"]),
    (Theme::Log, &["log", "audit", "history", "activity_log", "trace", "metric", "webhook", "delivery_log"]),
    (Theme::Order, &["order", "cart", "invoice", "quote", "shipment", "delivery", "return", "purchase", "basket"]),
    (Theme::Payment, &["payment", "transaction", "charge", "refund", "payout", "transfer", "wallet", "ledger"]),
    (Theme::Session, &["session", "login", "device", "token", "identity", "visit"]),
    (Theme::Address, &["address", "location", "place", "venue", "warehouse", "branch", "site"]),
    (Theme::Subscription, &["subscription", "membership", "enrollment", "enrolment", "licence", "license"]),
];

/// The theme of a table: the last word of its name that means something, for `course_tags` are tags.
pub(super) fn theme(table: &str) -> Theme {
    let name = table.rsplit('.').next().unwrap_or(table);
    let all = words(name);
    let known = |word: &str| WORDS.iter().find(|(_, known)| known.contains(&word)).map(|(theme, _)| *theme);
    // A post in a discussion is what others call a comment.
    if all.iter().any(|word| word == "discussion" || word == "forum") && all.iter().any(|word| word.starts_with("post"))
    {
        return Theme::Comment;
    }
    all.iter().rev().find_map(|word| known(&singular(word)).or_else(|| known(word))).unwrap_or(Theme::Other)
}

/// A word in the singular, as far as English has rules.
pub(super) fn singular(word: &str) -> String {
    const AS_IT_IS: [&str; 9] = ["news", "status", "address", "business", "class", "access", "process", "media", "bus"];
    if AS_IT_IS.contains(&word) {
        return word.to_owned();
    }
    match word {
        "people" => "person".to_owned(),
        "children" => "child".to_owned(),
        "quizzes" => "quiz".to_owned(),
        _ if word.ends_with("ies") && word.len() > 4 => format!("{}y", &word[..word.len() - 3]),
        _ if ["sses", "shes", "ches", "xes", "uses"].iter().any(|end| word.ends_with(end)) => {
            word[..word.len() - 2].to_owned()
        }
        _ if word.ends_with('s') && !word.ends_with("ss") && word.len() > 2 => word[..word.len() - 1].to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_that_means_something_says_what_a_table_is_about() {
        for (name, expected) in [
            ("users", Theme::Person),
            ("course_tags", Theme::Tag),
            ("billing.tblCustomers", Theme::Person),
            ("discussion_posts", Theme::Comment),
            ("blog_posts", Theme::Article),
            ("order_items", Theme::Product),
            ("support_tickets", Theme::Ticket),
            ("companies", Theme::Company),
            ("addresses", Theme::Address),
            ("categories", Theme::Category),
            ("quizzes", Theme::Quiz),
            ("audit_events", Theme::Event),
            ("xyz", Theme::Other),
        ] {
            assert_eq!(theme(name), expected, "{name}");
        }
    }
}
