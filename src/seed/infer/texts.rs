//! What a text probably says, by its name and by what its table is about. Must know no constraint but the length.

use super::content::Named;
use super::theme::Theme;
use crate::postgres::catalog::{Table, Type};

/// An expression for a text, within the length of its type.
pub(super) fn text(named: &Named<'_>, kind: &Type) -> String {
    let made = of_person(named)
        .or_else(|| of_place(named, kind))
        .or_else(|| of_machine(named))
        .or_else(|| of_trade(named))
        .or_else(|| written(named))
        .unwrap_or_else(|| "phrase(short)".to_owned());
    match kind.length {
        Some(length) => format!("fit({made}, 0, {length})"),
        None => made,
    }
}

/// The list and its column that a column of a table of countries, currencies, languages, roles or permissions is.
pub(super) fn entry(table: &Table, column: &str, kind: &Type) -> Option<(&'static str, &'static str)> {
    let named = Named::new(Some(table), column);
    let is = |words: &[&str]| named.is(words);
    let code = is(&["code", "iso", "iso code", "alpha2", "iso2", "id"]);
    Some(match named.theme {
        Theme::Country if code && kind.length == Some(3) || is(&["alpha3", "iso3", "code3"]) => ("countries", "code3"),
        Theme::Country if code => ("countries", "code"),
        Theme::Country if is(&["name"]) => ("countries", "name"),
        Theme::Currency if code => ("currencies", "code"),
        Theme::Currency if is(&["name"]) => ("currencies", "name"),
        Theme::Language if code => ("languages", "code"),
        Theme::Language if is(&["name"]) => ("languages", "name"),
        Theme::Role if is(&["name", "code", "slug", "key"]) => ("roles", "name"),
        Theme::Role if is(&["label", "title", "display name"]) => ("roles", "label"),
        Theme::Permission if is(&["name", "code", "slug", "key"]) => ("permissions", "code"),
        Theme::Permission if is(&["label", "title", "display name"]) => ("permissions", "name"),
        _ => return None,
    })
}

const FIRST: [&str; 5] = ["first name", "firstname", "given name", "forename", "fname"];
const LAST: [&str; 5] = ["last name", "lastname", "surname", "family name", "lname"];

/// Names of people, and how to reach them. Those of a row agree.
fn of_person(named: &Named<'_>) -> Option<String> {
    let (has, is) = (|words: &[&str]| named.has(words), |words: &[&str]| named.is(words));
    let (first, last) = (named.beside(&FIRST), named.beside(&LAST));
    let full = named
        .beside(&["full name", "fullname"])
        .or_else(|| named.beside(&["name", "display name"]).filter(|_| named.theme == Theme::Person));
    let slug = match (&first, &last, &full) {
        (Some(first), Some(last), _) => format!("slug({first}) + '.' + slug({last})"),
        (_, _, Some(full)) => format!("slug({full})"),
        _ => "slug(first_name()) + '.' + slug(last_name())".to_owned(),
    };
    Some(match () {
        () if has(&["email", "mail", "e mail", "mailbox"]) && !has(&["template", "subject", "body"]) => {
            format!("{slug} + '.' + base36(row()) + weights('@example.com' 60, '@example.org' 25, '@example.net' 15)")
        }
        () if has(&["username", "user name", "login", "nickname", "nick", "handle", "screen name"]) => {
            match (&first, &full) {
                (Some(name), _) | (None, Some(name)) => format!("slug({name}) + base36(row())"),
                _ => "slug(first_name()) + base36(row())".to_owned(),
            }
        }
        () if has(&FIRST) || is(&["first", "given"]) => "first_name()".to_owned(),
        () if has(&["middle name"]) => "first_name()".to_owned(),
        () if has(&LAST) || is(&["last"]) => "last_name()".to_owned(),
        () if has(&[
            "full name",
            "fullname",
            "display name",
            "author",
            "customer name",
            "contact name",
            "contact person",
            "cardholder",
        ]) || is(&["contact"])
            || named.theme == Theme::Person && is(&["name"]) =>
        {
            match (&first, &last) {
                (Some(first), Some(last)) => format!("{first} + ' ' + {last}"),
                _ => "first_name() + ' ' + last_name()".to_owned(),
            }
        }
        () if has(&["gender", "sex"]) => "weights(female 49, male 48, other 3)".to_owned(),
        () if has(&["salutation", "honorific"]) => "weights('Ms' 48, 'Mr' 48, 'Dr' 4)".to_owned(),
        () if has(&["job title", "jobtitle", "occupation", "profession", "position title"]) => "phrase(job)".to_owned(),
        () if has(&["department"]) => "phrase(department)".to_owned(),
        () if has(&["headline", "tagline"]) && named.theme == Theme::Person => "phrase(tagline)".to_owned(),
        () if has(&["bio", "biography", "about"]) => "prose(bio, 1, 3)".to_owned(),
        () if has(&["phone", "mobile", "fax", "telephone", "tel", "cell", "phone number", "msisdn", "whatsapp"]) => {
            format!("place(phone{})", country(named))
        }
        _ => return None,
    })
}

/// `, in country` when a column beside it names the country of the row.
fn country(named: &Named<'_>) -> String {
    let beside = named.beside(&["country", "country code", "country iso"]);
    beside.filter(|_| !named.has(&["country"])).map_or(String::new(), |country| format!(", in {country}"))
}

/// Parts of an address, all of the same place. `billing_city` and `shipping_city` are of two.
fn of_place(named: &Named<'_>, kind: &Type) -> Option<String> {
    const GROUPS: [&str; 12] = [
        "billing",
        "shipping",
        "delivery",
        "home",
        "work",
        "origin",
        "destination",
        "from",
        "to",
        "pickup",
        "birth",
        "mailing",
    ];
    let (has, is) = (|words: &[&str]| named.has(words), |words: &[&str]| named.is(words));
    let group = named.words.iter().find(|word| GROUPS.contains(&word.as_str()));
    let group = group.map_or(String::new(), |group| format!(", {group}"));
    let within = if group.is_empty() { country(named) } else { String::new() };
    let of = |field: &str| format!("place({field}{group}{within})");
    let is_code = kind.length.is_some_and(|length| length <= 3);
    let beside_place = named.stands_beside(&["country", "city", "town", "zip", "postal", "postcode", "street"]);
    Some(match () {
        () if has(&["currency"]) && named.theme != Theme::Currency => match within.is_empty() {
            true => "weights(USD 55, EUR 25, GBP 10, CAD 4, AUD 3, JPY 3)".to_owned(),
            false => of("currency"),
        },
        () if named.theme == Theme::Country && (is(&["name"]) || has(&["country name"])) => of("country_name"),
        () if has(&["country name"]) => of("country_name"),
        () if has(&["country", "nationality", "country code"])
            || named.theme == Theme::Country && has(&["code", "iso"]) =>
        {
            of("country")
        }
        () if named.theme == Theme::Language && is(&["name"]) => {
            "weights(English 40, German 15, French 12, Spanish 12, Portuguese 8, Japanese 7, Italian 6)".to_owned()
        }
        () if has(&["language", "lang"]) => {
            of_language(&within, "language", "weights(en 62, de 12, fr 9, es 8, pt 6, ja 3)")
        }
        () if has(&["locale"]) => {
            of_language(&within, "locale", "weights(en_US 45, en_GB 15, de_DE 12, fr_FR 10, es_ES 8, pt_BR 7, ja_JP 3)")
        }
        () if has(&["timezone", "time zone", "tz"]) => of("time_zone"),
        () if has(&["state", "province"]) && beside_place && !has(&["status"]) => {
            of(if is_code { "region" } else { "state" })
        }
        () if has(&["region", "county"]) && beside_place => of("state"),
        () if has(&["city", "town", "municipality"]) => of("city"),
        () if has(&["postal", "zip", "postcode", "postal code", "zipcode", "plz"]) => of("postal_code"),
        () if has(&["line2", "address2", "street2", "line 2", "address line 2"]) => {
            "weights('Apt. ' 60, 'Floor ' 25, 'Unit ' 15) + step(uniform(1, 40), 1)".to_owned()
        }
        () if has(&["street", "line1", "address1", "line 1", "street address"]) || is(&["address line"]) => {
            "step(uniform(1, 240), 1) + ' ' + street()".to_owned()
        }
        () if has(&["address", "location"]) && !has(&["ip", "email", "mac", "address type"]) => match beside_place {
            true => "step(uniform(1, 240), 1) + ' ' + street()".to_owned(),
            false => format!("step(uniform(1, 240), 1) + ' ' + street() + ', ' + {}", of("city")),
        },
        _ => return None,
    })
}

fn of_language(within: &str, field: &str, otherwise: &str) -> String {
    if within.is_empty() { otherwise.to_owned() } else { format!("place({field}{within})") }
}

/// What programs write and read.
fn of_machine(named: &Named<'_>) -> Option<String> {
    let (has, is, ends) =
        (|words: &[&str]| named.has(words), |words: &[&str]| named.is(words), |words: &[&str]| named.ends(words));
    let made = match () {
        () if has(&["password", "passwd", "pwd"]) => "'$2b$12$' + pattern('[./A-Za-z0-9]{53}')",
        () if has(&["digest", "hash", "checksum", "signature", "sha256", "etag"]) => "hex(32)",
        () if has(&["sha1", "commit", "sha"]) => "hex(20)",
        () if has(&["md5", "fingerprint"]) => "hex(16)",
        () if has(&["salt"]) => "hex(8)",
        () if has(&["token", "secret", "api key", "apikey", "access key", "session id", "nonce"]) => "hex(20)",
        () if has(&["avatar", "photo", "picture", "portrait"]) => {
            "'https://cdn.example.com/avatars/' + hex(8) + '.jpg'"
        }
        () if has(&["logo", "icon", "favicon"]) => "'https://cdn.example.com/logos/' + hex(8) + '.png'",
        () if has(&["image", "thumbnail", "thumb", "cover", "banner", "poster"]) && !has(&["alt", "caption"]) => {
            "'https://cdn.example.com/images/' + hex(8) + '.jpg'"
        }
        () if has(&["website", "homepage", "web site"]) => "'https://www.' + slug(company()) + '.example'",
        () if has(&["callback", "webhook", "endpoint", "redirect"]) && has(&["url", "uri", "endpoint"]) => {
            "'https://' + slug(company()) + '.example/hooks/' + hex(4)"
        }
        () if has(&["referrer", "referer"]) => {
            "weights('https://www.example.com/' 40, 'https://search.example/' 35, 'https://social.example/' 15, \
             'https://news.example/' 10)"
        }
        () if has(&["url", "uri", "href", "link", "permalink"]) => match named.theme {
            Theme::File => "'https://media.example.com/' + hex(2) + '/' + hex(10)",
            Theme::Log => "'https://' + slug(company()) + '.example/hooks/' + hex(4)",
            _ => "'https://www.example.com/' + slug(phrase(headline)) + '-' + base36(row())",
        },
        () if has(&["user agent", "useragent"]) => "phrase(user_agent)",
        () if has(&["ip", "ip address", "remote addr", "client ip"]) => "ip()",
        () if has(&["mac address"]) || is(&["mac"]) => "pattern('02(:[0-9a-f][0-9a-f]){5}')",
        () if has(&["mime", "mime type", "content type", "mimetype"]) => {
            "weights('image/jpeg' 35, 'application/pdf' 25, 'image/png' 20, 'video/mp4' 10, 'text/plain' 10)"
        }
        () if has(&["file name", "filename", "original name"]) || named.theme == Theme::File && is(&["name"]) => {
            return Some(file_name(named));
        }
        () if has(&["extension", "ext"]) => "weights(pdf 35, jpg 30, png 20, docx 10, txt 5)",
        () if has(&["color", "colour"]) => "'#' + hex(3)",
        () if has(&["version", "release"]) => {
            "step(uniform(0, 5), 1) + '.' + step(uniform(0, 30), 1) + '.' + step(uniform(0, 12), 1)"
        }
        () if has(&["hostname", "host", "domain", "server", "subdomain"]) => "slug(company()) + '.example'",
        () if has(&["browser"]) => "weights(Chrome 60, Safari 22, Firefox 10, Edge 8)",
        () if has(&["os", "operating system"]) => "weights(Windows 40, iOS 22, Android 20, macOS 14, Linux 4)",
        () if has(&["platform", "device type", "device"]) => "weights(web 55, ios 25, android 20)",
        () if has(&["method", "verb"]) && named.stands_beside(&["url", "path", "status"]) => {
            "weights(GET 70, POST 20, PUT 6, DELETE 4)"
        }
        () if has(&["path", "route", "directory", "folder"]) => "'/' + slug(phrase(short)) + '/' + base36(row())",
        () if has(&["error", "exception", "stack trace", "failure"]) => "phrase(log)",
        () if has(&["query", "search term", "keyword", "keywords", "search"]) => "lower(phrase(short))",
        () if has(&["event", "action", "activity"]) && !ends(&["name", "title", "description"]) => {
            "weights(created 35, updated 40, deleted 6, viewed 12, exported 4, logged_in 3)"
        }
        () if has(&["slug", "permalink", "handle"]) => return Some(slug(named)),
        _ => return None,
    };
    Some(made.to_owned())
}

/// A name that ends as its type says, where the row has both.
fn file_name(named: &Named<'_>) -> String {
    let mime = named.beside(&["mime type", "mime", "content type", "mimetype"]);
    let end = mime.map_or("weights('.pdf' 40, '.jpg' 30, '.png' 20, '.docx' 10)".to_owned(), |mime| {
        format!(
            "by({mime}, 'image/jpeg' -> '.jpg', 'application/pdf' -> '.pdf', 'image/png' -> '.png', 'video/mp4' -> \
             '.mp4', else -> '.txt')"
        )
    });
    format!("phrase(file_stem) + {end}")
}

/// The title or name of the row, as an address has it.
fn slug(named: &Named<'_>) -> String {
    match named.beside(&["title", "name", "label", "headline", "subject"]) {
        Some(title) => format!("slug({title}) + '-' + base36(row())"),
        None => format!("slug({}) + '-' + base36(row())", title(named)),
    }
}

/// Numbers and codes of trade, and words for kinds and states.
fn of_trade(named: &Named<'_>) -> Option<String> {
    let (has, is, ends) =
        (|words: &[&str]| named.has(words), |words: &[&str]| named.is(words), |words: &[&str]| named.ends(words));
    let made = match () {
        () if has(&["iban"]) => "'DE' + digits(20)",
        // A BIC's last three characters are its branch, and XXX is the head office (ISO 9362).
        () if has(&["bic", "swift"]) => "pattern('[A-Z]{4}DE[A-Z0-9]{2}XXX')",
        () if has(&["vat", "vat id", "tax id", "vat number", "tax number"]) => "'DE' + digits(9)",
        () if has(&["isbn", "ean", "gtin", "barcode", "upc"]) => "'978' + digits(10)",
        () if has(&["sku", "part number", "article number"]) => "pattern('[A-Z]{3}-[0-9]{5}')",
        () if has(&["tracking number", "tracking code", "tracking"]) => "pattern('[0-9]{2}[A-Z]{2}[0-9]{10}')",
        () if has(&["last4", "last four", "last 4"]) => "digits(4)",
        () if has(&["brand", "manufacturer"]) && has(&["card"]) => "weights(visa 50, mastercard 35, amex 15)",
        () if has(&["card brand", "card type"]) => "weights(visa 50, mastercard 35, amex 15)",
        () if has(&["coupon code", "promo code", "voucher code"]) || named.theme == Theme::Coupon && has(&["code"]) => {
            "weights(SPRING 25, SUMMER 25, WELCOME 20, BLACK 15, FRIEND 15) + digits(2) + upper(base36(row()))"
        }
        () if named.theme == Theme::Currency && has(&["code"]) => "weights(USD 40, EUR 30, GBP 20, JPY 10)",
        () if is(&["prefix"]) && named.stands_beside(&["secret", "hash", "token"]) => "'key_' + hex(4)",
        () if is(&["subject", "sub", "uid"]) && named.stands_beside(&["provider", "issuer"]) => "digits(18)",
        () if has(&["external id", "external ref", "provider ref", "provider id", "external", "ext id"]) => {
            "'ext_' + hex(8)"
        }
        () if has(&["provider", "gateway", "processor"]) => match named.theme {
            Theme::Payment | Theme::Order => "weights(stripe 60, paypal 25, adyen 15)",
            _ => "weights(google 50, github 25, apple 15, microsoft 10)",
        },
        () if has(&["payment method"]) || named.theme == Theme::Payment && has(&["method"]) => {
            "weights(card 65, paypal 20, bank_transfer 15)"
        }
        () if has(&["source", "channel", "medium", "origin"]) => "weights(web 55, mobile 25, api 12, import 8)",
        () if has(&["campaign"]) && !is(&["name"]) => {
            "weights(spring_sale 30, newsletter 30, launch 20, retargeting 20)"
        }
        () if has(&["unit", "uom"]) => "weights(pcs 70, kg 15, m 10, l 5)",
        () if is(&["size"]) => "weights(M 35, L 25, S 20, XL 15, XXL 5)",
        () if has(&["industry", "sector"]) => {
            "weights(Software 25, Retail 20, Education 15, Healthcare 15, Manufacturing 15, Logistics 10)"
        }
        () if has(&["frequency", "interval", "period", "billing period"]) => "weights(month 70, year 25, week 5)",
        () if has(&["state", "status", "stage", "phase"]) => status(named.theme),
        () if is(&["type", "kind", "category", "class"]) || ends(&["type", "kind"]) => kind(named.theme),
        () if has(&["priority", "severity", "urgency"]) => "weights(normal 65, high 18, low 13, urgent 4)",
        () if has(&["visibility", "access"]) => "weights(public 60, private 30, internal 10)",
        () if is(&["role"]) || ends(&["role"]) => "weights(member 75, admin 15, owner 6, guest 4)",
        () if named.theme == Theme::Role && is(&["name", "code", "key"]) => {
            "weights(member 40, editor 25, viewer 20, admin 15)"
        }
        () if named.theme == Theme::Plan && is(&["code", "key"]) => "weights(free 40, pro 35, team 20, enterprise 5)",
        () if named.theme == Theme::Permission && is(&["name", "code", "key"]) => {
            "weights(users 30, orders 25, reports 25, settings 20) + '.' + weights(read 50, create 25, update 20, \
             delete 5)"
        }
        () if ends(&["code", "number", "no", "reference", "ref", "serial"])
            || is(&["code", "number", "reference", "serial"]) =>
        {
            return Some(number(named));
        }
        () if has(&[
            "company",
            "company name",
            "organization",
            "organisation",
            "vendor",
            "supplier",
            "brand",
            "employer",
            "bank",
        ]) =>
        {
            "company()"
        }
        _ => return None,
    };
    Some(made.to_owned())
}

/// `ORD-004711` of an order.
fn number(named: &Named<'_>) -> String {
    let start: String = named
        .table
        .map_or("REF", |table| table.name.as_str())
        .chars()
        .filter(char::is_ascii_alphabetic)
        .take(3)
        .collect();
    let start = if start.is_empty() { "REF".to_owned() } else { start.to_uppercase() };
    format!("'{start}-' + digits(6)")
}

/// States with the most common one first.
fn status(theme: Theme) -> &'static str {
    match theme {
        Theme::Order => "weights(completed 55, paid 18, shipped 12, pending 9, cancelled 4, returned 2)",
        Theme::Payment => "weights(succeeded 88, pending 5, failed 5, refunded 2)",
        Theme::Ticket | Theme::Task => "weights(closed 48, open 22, in_progress 15, resolved 12, on_hold 3)",
        Theme::Article | Theme::Course | Theme::Lesson | Theme::Product => {
            "weights(published 80, draft 14, archived 6)"
        }
        Theme::Message | Theme::Notification => "weights(read 60, delivered 25, sent 12, failed 3)",
        Theme::Event => "weights(confirmed 70, completed 20, cancelled 7, pending 3)",
        Theme::Assignment | Theme::Quiz => "weights(graded 65, submitted 25, draft 10)",
        Theme::File | Theme::Log => "weights(completed 88, processing 5, queued 4, failed 3)",
        Theme::Review | Theme::Comment => "weights(approved 90, pending 7, rejected 3)",
        Theme::Subscription => "weights(active 72, trialing 10, past_due 5, cancelled 13)",
        _ => "weights(active 78, pending 11, inactive 8, suspended 3)",
    }
}

fn kind(theme: Theme) -> &'static str {
    match theme {
        Theme::Person => "weights(customer 82, employee 12, partner 6)",
        Theme::Company => "weights(customer 70, supplier 20, partner 10)",
        Theme::Payment => "weights(payment 75, refund 8, payout 9, adjustment 8)",
        Theme::Order => "weights(online 80, phone 12, subscription 8)",
        Theme::File => "weights(image 50, document 35, video 15)",
        Theme::Event | Theme::Log => "weights(created 35, updated 40, deleted 6, viewed 19)",
        Theme::Notification | Theme::Message => "weights(email 55, push 30, sms 15)",
        Theme::Address => "weights(billing 50, shipping 50)",
        Theme::Task | Theme::Ticket => "weights(question 40, problem 35, request 20, incident 5)",
        Theme::Product => "weights(physical 70, digital 20, service 10)",
        _ => "weights(standard 70, special 20, other 10)",
    }
}

/// What people write: titles, bodies, remarks.
fn written(named: &Named<'_>) -> Option<String> {
    let (has, is) = (|words: &[&str]| named.has(words), |words: &[&str]| named.is(words));
    Some(match () {
        () if has(&["reason"]) => match named.theme {
            Theme::Payment if named.table.is_some_and(|t| t.name.contains("refund")) => "phrase(refund_reason)",
            _ if has(&["cancel", "cancellation", "churn"]) => "phrase(cancel_reason)",
            _ => "phrase(reason)",
        }
        .to_owned(),
        () if has(&["prompt", "question"]) => match named.theme {
            Theme::Question | Theme::Quiz => "phrase(quiz_question)".to_owned(),
            _ => "phrase(question)".to_owned(),
        },
        () if has(&["answer", "choice", "option"]) => "phrase(quiz_option)".to_owned(),
        () if has(&["brief", "instructions", "instruction"]) => "prose(assignment, 1, 2)".to_owned(),
        () if has(&["feedback"]) => "prose(certificate_feedback, 1, 2)".to_owned(),
        () if has(&["comment", "comments", "remark", "remarks"]) => "prose(comment, 1, 2)".to_owned(),
        () if has(&["note", "notes", "memo", "annotation"]) => "prose(note, 1, 2)".to_owned(),
        () if has(&["body", "content", "text", "message", "html", "markdown", "msg"]) => body(named.theme).to_owned(),
        () if has(&[
            "description",
            "summary",
            "details",
            "abstract",
            "excerpt",
            "overview",
            "synopsis",
            "caption",
            "intro",
        ]) =>
        {
            match named.theme {
                Theme::Course => "prose(course_summary, 2, 3)",
                Theme::Product => "prose(product_description, 1, 2)",
                Theme::Task | Theme::Ticket => "prose(task_body, 1, 2)",
                Theme::Person => "prose(bio, 1, 2)",
                Theme::Lesson | Theme::Section => "prose(lesson_body, 1, 2)",
                Theme::Article => "prose(sentence, 1, 2)",
                _ => "prose(description, 1, 2)",
            }
            .to_owned()
        }
        () if has(&["title", "subject", "headline", "heading", "topic", "name", "label", "caption"]) => title(named),
        () if named.theme == Theme::Tag && is(&["tag", "value"]) => "phrase(tag)".to_owned(),
        () if has(&["tag", "tags"]) => "phrase(tag)".to_owned(),
        () if has(&["category", "genre"]) => "phrase(category)".to_owned(),
        () if has(&["skill", "topic"]) => "phrase(category)".to_owned(),
        () if has(&["key"]) => "slug(phrase(short))".to_owned(),
        () if has(&["value"]) => "phrase(short)".to_owned(),
        _ => return None,
    })
}

/// The title or name of what a table is about.
fn title(named: &Named<'_>) -> String {
    match named.theme {
        Theme::Person => "first_name() + ' ' + last_name()",
        Theme::Company => "company()",
        Theme::Course => "phrase(course)",
        Theme::Section => "phrase(section)",
        Theme::Lesson => "phrase(lesson)",
        Theme::Quiz => "phrase(quiz)",
        Theme::Question => "phrase(quiz_question)",
        Theme::Choice => "phrase(quiz_option)",
        Theme::Assignment | Theme::Task => "phrase(task)",
        Theme::Product => "phrase(product)",
        Theme::Article => "phrase(headline)",
        Theme::Project => "phrase(project)",
        Theme::Team => "phrase(team)",
        Theme::Message | Theme::Thread | Theme::Comment => "phrase(question)",
        Theme::Ticket => "phrase(ticket)",
        Theme::Announcement => "phrase(announcement_title)",
        Theme::Category => "phrase(category)",
        Theme::Tag => "phrase(tag)",
        Theme::Plan => "weights(Free 30, Pro 35, Team 25, Enterprise 10)",
        Theme::Event => "phrase(event)",
        Theme::Notification => "phrase(notification)",
        Theme::Address => "place(city)",
        Theme::File => "phrase(file_stem)",
        Theme::Coupon => "phrase(category)",
        _ => "phrase(short)",
    }
    .to_owned()
}

fn body(theme: Theme) -> &'static str {
    match theme {
        Theme::Article => "prose(sentence, 4, 9)",
        Theme::Lesson | Theme::Section | Theme::Course => "prose(lesson_body, 3, 6)",
        Theme::Message => "prose(message, 1, 3)",
        Theme::Review => "prose(review, 1, 3)",
        Theme::Ticket => "prose(support, 1, 4)",
        Theme::Note => "prose(note, 1, 2)",
        Theme::Announcement => "prose(announcement, 1, 3)",
        Theme::Notification => "prose(notification_body, 1, 1)",
        Theme::Task => "prose(task_body, 1, 3)",
        Theme::Log => "phrase(log)",
        Theme::Choice | Theme::Assignment => "prose(chat_answer, 1, 3)",
        _ => "prose(comment, 1, 3)",
    }
}
