//! The HTML report in a browser: sorting, opening, themes, print, keyboard, and nothing loaded from elsewhere.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::devtools::Browser;
use crate::support::Home;

fn page(home: &Home, result: &str) -> PathBuf {
    let saved = format!("{}/tests/data/results/{result}", env!("CARGO_MANIFEST_DIR"));
    let file = home.path().join(format!("{}.html", result.replace('/', "-")));
    std::fs::write(&file, home.run(&["report", &saved, "--format", "html"]).ok().stdout).unwrap();
    file
}

/// Keeps what a person may look at, and says how many bytes it has.
fn screenshot(browser: &mut Browser, name: &str) -> String {
    let taken = browser.call("Page.captureScreenshot", &json!({ "format": "png" }));
    let image = taken["data"].as_str().expect("an image").to_owned();
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&image).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), bytes).unwrap();
    image
}

const BACKGROUND: &str = "getComputedStyle(document.body).backgroundColor";

#[test]
fn the_page_of_a_proof_sorts_opens_switches_its_theme_and_prints() {
    let home = Home::empty();
    let mut browser = Browser::start(home.path());
    let size = json!({ "width": 1240, "height": 2400, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", &size);
    browser.emulate("light", "screen");
    let file = page(&home, "format-7/platform");
    browser.open(&file);

    // A header sorts by keyboard, by values and not by their text, and says so.
    let shares =
        "[...document.querySelectorAll('#actions-table tbody td:nth-child(2)')].map(c => parseFloat(c.textContent))";
    let by_verdict = browser.value(shares);
    browser.value("document.querySelector('#actions-table thead th:nth-child(2) button').focus()");
    browser.press("Enter", 13, "\r");
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect::<Vec<_>>();
    let ascending = numbers(&browser.value(shares));
    assert!(ascending.is_sorted() && ascending != numbers(&by_verdict), "{ascending:?}");
    let order = "document.querySelector('#actions-table thead th:nth-child(2)').getAttribute('aria-sort')";
    assert_eq!(browser.value(order), "ascending");
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.value(order), "descending");
    assert!(numbers(&browser.value(shares)).iter().rev().is_sorted());

    // A name in the table opens its action.
    let last = "document.querySelector('#actions ~ *, details.action:not([open])').id";
    let anchor = browser.value(last).as_str().expect("an action that is closed").to_owned();
    browser.value(&format!("document.querySelector('a[href=\"#{anchor}\"]').focus()"));
    browser.press("Enter", 13, "\r");
    let is_open = format!(
        "new Promise(done => {{ const look = () => document.getElementById('{anchor}').open ? done(true) \
         : requestAnimationFrame(look); look(); }})"
    );
    assert_eq!(browser.value(&is_open), true);
    browser.value("scrollTo({ top: 0, behavior: 'instant' })");

    // Light, dark by the system, and dark by the button.
    let (light, light_image) = (browser.value(BACKGROUND), screenshot(&mut browser, "proof-light.png"));
    browser.emulate("dark", "screen");
    let (dark, dark_image) = (browser.value(BACKGROUND), screenshot(&mut browser, "proof-dark.png"));
    assert_ne!(light, dark);
    assert_ne!(light_image, dark_image);
    browser.emulate("light", "screen");
    let theme = "(document.getElementById('theme').click(), document.documentElement.dataset.theme ?? 'system')";
    assert_eq!(browser.value(theme), "light");
    assert_eq!(browser.value(theme), "dark");
    assert_eq!(browser.value(BACKGROUND), dark);
    assert_eq!(browser.value(theme), "system");
    assert_eq!(browser.value(BACKGROUND), light);

    // Printed, every action is open, and closed again afterwards.
    let all = "[...document.querySelectorAll('details')].every(d => d.open)";
    browser.value(&format!("addEventListener('beforeprint', () => {{ window.all = {all}; }})"));
    let closed = "document.querySelectorAll('details:not([open])').length";
    let before = browser.value(closed);
    assert_ne!(before, 0);
    let pdf = browser.call("Page.printToPDF", &json!({ "printBackground": true }));
    assert!(pdf["data"].as_str().unwrap().starts_with("JVBERi"), "a PDF");
    assert_eq!(browser.value("window.all"), true);
    assert_eq!(browser.value(closed), before);

    // Charts say what they show, tables have headers, and a narrow window does not scroll sideways.
    let mute = "document.querySelectorAll('svg.chart:not([aria-label]), svg.chart:not([role=img])').length";
    assert_eq!(browser.value(mute), 0);
    assert!(browser.value("document.querySelectorAll('svg.chart').length").as_u64().unwrap() >= 6);
    assert_eq!(browser.value("[...document.querySelectorAll('th')].filter(t => !t.scope).length"), 0);
    let narrow = json!({ "width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", &narrow);
    let width = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
    assert!(width <= 400, "{width}");
    screenshot(&mut browser, "proof-narrow.png");

    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    assert_eq!(browser.requests(), [format!("file://{}", file.display())], "the page loads itself alone");
}

#[test]
fn the_page_of_a_run_keeps_its_sum_last_and_shows_hostile_names_as_text() {
    let home = Home::empty();
    let saved = format!("{}/tests/data/results/run-4/gates/run.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(saved).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let hostile = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\"🐘 عمل";
    document["evidence"]["actions"][0]["name"] = json!(hostile);
    document["evidence"]["name"] = json!(hostile);
    let result = home.path().join("hostile");
    std::fs::create_dir(&result).unwrap();
    std::fs::write(result.join("run.json"), document.to_string()).unwrap();
    let file = home.path().join("hostile.html");
    let html = home.run(&["report", &result.display().to_string(), "--format", "html"]).ok().stdout;
    std::fs::write(&file, html).unwrap();

    let mut browser = Browser::start(home.path());
    let size = json!({ "width": 1240, "height": 1900, "deviceScaleFactor": 1, "mobile": false });
    browser.call("Emulation.setDeviceMetricsOverride", &size);
    browser.open(&file);
    assert_eq!(browser.value("window.hit ?? null"), Value::Null, "a name is never run");
    assert_eq!(browser.value("document.images.length"), 0);
    assert_eq!(browser.value("document.querySelector('#actions-table tbody th').textContent"), hostile);
    assert!(browser.value("document.title").as_str().unwrap().starts_with(hostile));
    let last = "document.querySelector('#actions-table tbody tr:last-child th').textContent";
    for column in [3, 5] {
        browser.value(&format!("document.querySelector('#actions-table thead th:nth-child({column}) button').click()"));
        assert_eq!(browser.value(last), "all", "the sum stays last");
    }
    screenshot(&mut browser, "run-light.png");
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    assert_eq!(browser.requests(), [format!("file://{}", file.display())]);
}
