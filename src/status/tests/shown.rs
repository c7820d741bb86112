//! What people see of a view: the reviewed text and page of one, and what must never happen.

use std::fs;
use std::path::Path;

use super::world::{end, now, policy, well};
use crate::model::RunOutcome;
use crate::status::{StatusFacts, StatusView, Waiting, page, text};

/// One of each: too old, failed, not ready, and a note.
fn troubled() -> StatusFacts {
    let mut facts = well();
    facts.policies[0].intent.max_age = Some(std::time::Duration::from_hours(2));
    let mut failed = end(
        RunOutcome::Failed,
        1,
        Some(
            "Milvus at http://127.0.0.1:19530 does not \
        answer: connection refused (check that Milvus runs, and `milvus.address`)",
        ),
    );
    failed.hint = Some("check that Milvus runs, and `milvus.address`".to_owned());
    facts.policies[1].last_run = Some(failed);
    facts.policies[2].intent.paused = true;
    facts.policies[2].next_run = None;
    let why = "Milvus at http://127.0.0.1:19530 does not answer".to_owned();
    facts.waiting.push(Waiting { what: "milvus".to_owned(), why });
    facts
}

/// Compares with a reviewed file; `MBA_GOLDEN_WRITE=1` writes it anew: review the difference.
fn golden(name: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/status");
    let file = folder.join(name);
    #[expect(clippy::disallowed_methods, reason = "a switch for people, not configuration")]
    if std::env::var("MBA_GOLDEN_WRITE").is_ok() {
        fs::write(&file, found).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, expected, "{name} has changed");
}

#[test]
fn the_text_is_as_reviewed() {
    let view = StatusView::of(&troubled());
    golden("troubled-80.txt", &(text(&view, 80) + "\n"));
    golden("troubled-160.txt", &(text(&view, 160) + "\n"));
    golden("well.txt", &(text(&StatusView::of(&well()), 80) + "\n"));
}

#[test]
fn the_page_is_as_reviewed() {
    // One element a line, so that a difference can be read.
    let page = page(&StatusView::of(&troubled())).replace('>', ">\n");
    golden("troubled.html", &page);
}

#[test]
fn a_view_reads_back_from_its_json() {
    let view = StatusView::of(&troubled());
    let json = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<StatusView>(&json).unwrap(), view, "{json}");
    golden("troubled.json", &(serde_json::to_string_pretty(&view).unwrap() + "\n"));
}

#[test]
fn no_line_is_wider_than_the_terminal_but_names_are_whole_in_problems() {
    let mut facts = troubled();
    let long = format!("p{}", "x".repeat(60));
    let mut named = policy(&long);
    named.last_run =
        Some(end(RunOutcome::Failed, 1, Some("it was told to stop by the night watch")));
    facts.policies.push(named);
    let view = StatusView::of(&facts);
    for width in [64, 80, 100, 200] {
        let text = text(&view, width);
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > width).collect();
        let only_whole = |line: &&str| line.contains(&long) || line.contains("$ ");
        assert!(wide.iter().all(only_whole), "{width}: {wide:?}");
        assert!(text.contains(&format!("{long}:")), "{text}");
        assert_eq!(text.contains('…'), width < 120, "{width}:\n{text}");
    }
}

#[test]
fn what_others_wrote_is_shown_and_never_obeyed() {
    const EVIL: &str = "<script>alert(1)</script>\" onload='x' &amp; \u{1b}[31mred\u{202e}";
    let mut facts = troubled();
    facts.cluster = EVIL.to_owned();
    facts.policies[0].intent.name = EVIL.to_owned();
    facts.policies[0].intent.collections = EVIL.to_owned();
    facts.policies[0].intent.schedule = Some(EVIL.to_owned());
    let mut failed = end(RunOutcome::Failed, 1, Some(EVIL));
    failed.hint = Some(EVIL.to_owned());
    facts.policies[1].last_run = Some(failed);
    facts.repository.place = EVIL.to_owned();
    facts.repository.unreadable = Some((EVIL.to_owned(), Some(EVIL.to_owned())));
    facts.waiting[0].why = EVIL.to_owned();
    facts.broker.as_mut().unwrap().state = EVIL.to_owned();
    let view = StatusView::of(&facts);
    let page = page(&view);
    assert!(!page.contains("<script") && !page.contains("onload='x' &amp; "), "{page}");
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload='x' &amp;amp; ";
    assert!(page.matches(escaped).count() >= 10, "{page}");
    let text = text(&view, 80);
    assert!(text.contains("<script>alert(1)</script>"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn the_page_asks_for_nothing_else() {
    let page = page(&StatusView::of(&troubled()));
    for wants_more in ["<script", "src=", "@import", "url(", "<img", "<iframe", "<form", "style=\""]
    {
        assert!(!page.contains(wants_more), "{wants_more}");
    }
    assert_eq!(page.matches("href=").count(), page.matches("href=\"data:,\"").count());
}

#[test]
fn an_absolute_time_stands_beside_every_age_of_the_page() {
    let page = page(&StatusView::of(&well()));
    for moment in
        ["Times are UTC", "2026-11-26 02:00:00", "2026-11-27 02:00:00", "11 h ago", "in 13 h"]
    {
        assert!(page.contains(moment), "{moment}");
    }
    assert!(page.contains(&now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
}
