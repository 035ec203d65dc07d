//! What names a server: a URL, `keyword=value` pairs, and the connection service either of them may name, as libpq has
//! them (PostgreSQL manual, "34.1.1 Connection Strings" and "34.17 The Connection Service File").
//!
//! Everything becomes one URL that the driver reads. Must refuse by name what would lead to another server if it were
//! ignored, and must put no value into an error: a password may be among them.

use std::path::{Path, PathBuf};

use url::Url;

/// Keywords that the driver reads.
const READ: [&str; 12] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
];

/// Keywords without which the same server is reached in the same way.
const IGNORED: [&str; 18] = [
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "sslcertmode",
    "sslcompression",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Where services are looked for: the parts of the environment that libpq reads for it.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `PGSERVICE`.
    pub(super) service: Option<String>,
    /// `PGSERVICEFILE`.
    pub(super) file: Option<PathBuf>,
    /// The user's own folder.
    pub(super) home: Option<PathBuf>,
    /// Folders of the file for the whole system: `PGSYSCONFDIR`, or where libpq is built to look.
    pub(super) system: Vec<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let system = match var("PGSYSCONFDIR") {
            Some(folder) => vec![folder.into()],
            // Debian; Fedora and builds from source; Homebrew.
            None => ["/etc/postgresql-common", "/etc", "/usr/local/etc/postgresql", "/opt/homebrew/etc/postgresql"]
                .map(PathBuf::from)
                .to_vec(),
        };
        Self {
            service: var("PGSERVICE").and_then(|name| name.into_string().ok()),
            file: var("PGSERVICEFILE").map(PathBuf::from),
            home: var("HOME").map(PathBuf::from),
            system,
        }
    }

    /// The files that may define services, in the order they are read.
    fn files(&self, named: Option<&str>) -> Vec<PathBuf> {
        const FILE: &str = "pg_service.conf";
        let own = named.map(PathBuf::from).or_else(|| self.file.clone());
        let own = own.or_else(|| self.home.as_ref().map(|home| home.join(format!(".{FILE}"))));
        own.into_iter().chain(self.system.iter().map(|folder| folder.join(FILE))).collect()
    }
}

/// Keywords with their values, in the order they were given.
type Pairs = Vec<(String, String)>;

/// The URL that stands for what was given, with what its service adds: what is given itself comes before the service,
/// and that before the environment, which the driver reads.
///
/// # Errors
/// What cannot be read or is not supported, in words.
pub(super) fn resolve(given: &str, around: &Surroundings) -> Result<Url, String> {
    let (mut url, own) = if given.starts_with("postgres://") || given.starts_with("postgresql://") {
        let url = Url::parse(given).map_err(|error| error.to_string())?;
        let own = named_in(&url);
        (url, own)
    } else if given.contains('=') {
        let pairs = pairs(given)?;
        pairs.iter().try_for_each(|(keyword, _)| check_keyword(keyword, "this text"))?;
        (with(empty(), &pairs), pairs)
    } else {
        return Err("it begins neither with postgresql:// nor holds pairs such as service=NAME".to_owned());
    };
    let value = |keyword: &str| own.iter().rfind(|(name, _)| name == keyword).map(|(_, value)| value.as_str());
    let service = value("service").or(around.service.as_deref());
    let file = value("servicefile");
    let mut all = own.clone();
    if let Some(service) = service {
        let missing = read_service(service, &around.files(file))?;
        let missing: Pairs = missing.into_iter().filter(|(keyword, _)| value(keyword).is_none()).collect();
        url = with(url, &missing);
        all.extend(missing);
    }
    check_hosts(&all)?;
    Ok(without(url, &["service", "servicefile"]))
}

/// Whether a password stands in what was given, where every user who lists processes may read it.
#[must_use]
pub fn holds_password(given: &str) -> bool {
    match Url::parse(given) {
        Ok(url) => url.password().is_some() || url.query_pairs().any(|(keyword, _)| keyword == "password"),
        Err(_) => pairs(given).is_ok_and(|pairs| pairs.iter().any(|(keyword, _)| keyword == "password")),
    }
}

/// What a URL says itself.
fn named_in(url: &Url) -> Pairs {
    let mut own = Pairs::new();
    let mut part = |keyword: &str, value: &str| {
        if !value.is_empty() {
            own.push((keyword.to_owned(), value.to_owned()));
        }
    };
    part("host", url.host_str().unwrap_or_default());
    part("port", &url.port().map(|port| port.to_string()).unwrap_or_default());
    part("user", url.username());
    part("password", url.password().unwrap_or_default());
    part("dbname", url.path().trim_start_matches('/'));
    own.extend(url.query_pairs().map(|(keyword, value)| (keyword.into_owned(), value.into_owned())));
    own
}

fn empty() -> Url {
    Url::parse("postgresql:///").expect("a URL without anything")
}

/// The URL with more pairs at its end, which the driver takes before what stands earlier.
fn with(mut url: Url, pairs: &Pairs) -> Url {
    let known = pairs.iter().filter(|(keyword, _)| READ.contains(&keyword.as_str()) || keyword.starts_with("service"));
    url.query_pairs_mut().extend_pairs(known);
    url
}

fn without(mut url: Url, keywords: &[&str]) -> Url {
    let pairs: Pairs = url.query_pairs().map(|(keyword, value)| (keyword.into_owned(), value.into_owned())).collect();
    // Where there are both, libpq connects to the address; the driver takes the last.
    let address = pairs.iter().rfind(|(keyword, _)| keyword == "hostaddr").cloned();
    let kept = pairs.into_iter().filter(|(keyword, _)| !keywords.contains(&keyword.as_str()) && keyword != "hostaddr");
    let kept: Pairs = kept.chain(address).collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(&kept);
    }
    url
}

/// Several hosts would need somebody to choose, and an address beside a name whose certificate is checked would check
/// the wrong name.
fn check_hosts(all: &Pairs) -> Result<(), String> {
    let value = |keyword: &str| all.iter().find(|(name, _)| name == keyword).map(|(_, value)| value.as_str());
    for keyword in ["host", "hostaddr", "port"] {
        if value(keyword).is_some_and(|value| value.contains(',')) {
            return Err(format!("it names several servers (`{keyword}` is a list), and one is driven: name that one"));
        }
    }
    match (value("host"), value("hostaddr"), value("sslmode")) {
        (Some(_), Some(_), Some("verify-full")) => {
            Err("`hostaddr` beside `host` is not supported with sslmode=verify-full: leave `hostaddr` out".to_owned())
        }
        _ => Ok(()),
    }
}

/// What is neither read nor safe to ignore.
fn check_keyword(keyword: &str, place: &str) -> Result<(), String> {
    let known = READ.contains(&keyword) || IGNORED.contains(&keyword);
    if known || keyword == "service" || keyword == "servicefile" {
        return Ok(());
    }
    Err(format!("`{keyword}` in {place} is not supported"))
}

/// `keyword = value` pairs; values with spaces stand in single quotes, and a backslash takes the next character as it
/// is.
fn pairs(text: &str) -> Result<Pairs, String> {
    let mut found = Pairs::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (keyword, after) = rest.split_once('=').ok_or("a keyword without a value")?;
        let keyword = keyword.trim();
        if keyword.is_empty() || keyword.contains(char::is_whitespace) {
            return Err("a keyword without a value".to_owned());
        }
        let (value, after) = value(after.trim_start())?;
        found.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(found)
}

/// The value at the beginning of a text, and the text behind it.
fn value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, next)| next)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            space if space.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted { Err("a quote without its end".to_owned()) } else { Ok((value, "")) }
}

/// The pairs of a service, from the first file that defines it.
fn read_service(service: &str, files: &[PathBuf]) -> Result<Pairs, String> {
    let mut there = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        if let Some(pairs) = section(&text, service, file)? {
            return Ok(pairs);
        }
        there.push(file.display().to_string());
    }
    let looked = match there.is_empty() {
        true => format!("there is no {}", list(files)),
        false => format!("it is not defined in {}", there.join(", ")),
    };
    Err(format!("the service `{service}` is not known: {looked}; PGSERVICEFILE names another file"))
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A section of a service file; nothing where the file has none of this name.
fn section(text: &str, service: &str, file: &Path) -> Result<Option<Pairs>, String> {
    let mut found: Option<Pairs> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let place = || format!("line {} of {}", number + 1, file.display());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name.strip_suffix(']') == Some(service) {
                found = Some(Pairs::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        let Some((keyword, value)) = line.split_once('=') else {
            return Err(match line.starts_with("ldap") {
                true => format!("the service `{service}` is kept in a directory ({}), which is not supported", place()),
                false => format!("{} is no keyword=value", place()),
            });
        };
        let keyword = keyword.trim();
        if keyword == "service" || keyword == "servicefile" {
            return Err(format!("{}: a service cannot name another one", place()));
        }
        check_keyword(keyword, &place())?;
        pairs.push((keyword.to_owned(), value.trim().to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[stage]\nhost=stage.example\n[prod]\nhost=db.example\nport=6432\ndbname=shop\n\
                        user=anna\npassword=s3cret\nsslmode=disable\nconnect_timeout=3\n\n[ldap]\nldap://x/y\n[odd]\n\
                        passfile=/x\n";

    #[expect(clippy::disallowed_methods, reason = "a scratch file of a test")]
    fn services() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("services");
        std::fs::write(&path, FILE).unwrap();
        (folder, path)
    }

    fn around(file: &Path) -> Surroundings {
        Surroundings { file: Some(file.to_owned()), ..Surroundings::default() }
    }

    /// Keywords as the driver takes them: the last of each.
    fn taken(url: &Url) -> std::collections::BTreeMap<String, String> {
        named_in(url).into_iter().collect()
    }

    #[test]
    fn a_service_gives_what_the_url_leaves_out() {
        let (_folder, path) = services();
        for given in ["service=prod", "postgresql:///?service=prod", " service = 'prod' "] {
            let url = resolve(given, &around(&path)).unwrap();
            let taken = taken(&url);
            let of = |keyword: &str| taken.get(keyword).map(String::as_str);
            assert_eq!(
                [of("host"), of("port"), of("dbname")],
                [Some("db.example"), Some("6432"), Some("shop")],
                "{given}"
            );
            assert_eq!([of("user"), of("password"), of("service")], [Some("anna"), Some("s3cret"), None], "{given}");
        }
        let own = resolve("postgresql://bert@other:1/?service=prod", &around(&path)).unwrap();
        let taken = taken(&own);
        let of = |keyword: &str| taken.get(keyword).map(String::as_str);
        assert_eq!([of("host"), of("port"), of("user")], [Some("other"), Some("1"), Some("bert")]);
        assert_eq!([of("dbname"), of("password")], [Some("shop"), Some("s3cret")]);
        let of_environment = Surroundings { service: Some("stage".to_owned()), ..around(&path) };
        assert_eq!(taken_host(&resolve("postgresql:///x", &of_environment).unwrap()), "stage.example");
        assert_eq!(taken_host(&resolve("service=prod", &of_environment).unwrap()), "db.example");
        assert_eq!(taken_host(&resolve("postgresql://h/x", &Surroundings::default()).unwrap()), "h");
    }

    fn taken_host(url: &Url) -> String {
        taken(url)["host"].clone()
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused_by_name_and_no_secret_is_repeated() {
        let (_folder, path) = services();
        for (given, words) in [
            ("service=gone", "the service `gone` is not known: it is not defined in"),
            ("service=ldap", "is kept in a directory (line 14 of"),
            ("service=odd", "`passfile` in line 16 of"),
            ("host=a,b", "it names several servers (`host` is a list)"),
            ("postgresql://a,b/x", "it names several servers"),
            ("service=prod password='s3cret", "a quote without its end"),
            ("passfile=s3cret", "`passfile` in this text is not supported"),
            ("host=h hostaddr=127.0.0.1 sslmode=verify-full", "`hostaddr` beside `host`"),
            ("s3cret", "it begins neither with postgresql://"),
        ] {
            let error = resolve(given, &around(&path)).unwrap_err();
            assert!(error.contains(words) && !error.contains("s3cret"), "{given}: {error}");
        }
        let nowhere = resolve("service=prod", &around(Path::new("/nowhere/services"))).unwrap_err();
        assert!(nowhere.contains("there is no /nowhere/services"), "{nowhere}");
    }

    #[test]
    fn a_password_in_sight_is_found() {
        for given in ["postgresql://a:b@h/x", "postgresql://h/x?password=b", "host=h password=b"] {
            assert!(holds_password(given), "{given}");
        }
        for given in ["postgresql://a@h/x", "service=prod", "postgresql:///?service=prod", "shop"] {
            assert!(!holds_password(given), "{given}");
        }
    }

    #[test]
    fn an_address_is_taken_before_a_name() {
        let url = resolve("hostaddr=127.0.0.2 host=db.example", &Surroundings::default()).unwrap();
        let last = url.query_pairs().filter(|(keyword, _)| keyword.starts_with("host")).last().unwrap();
        assert_eq!(last.1, "127.0.0.2");
    }
}
