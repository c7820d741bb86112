//! Drills and scheduled verifications.

use std::time::Duration;

use jiff::Timestamp;

use crate::metrics::{DrillFacts, Metrics, ReadingFacts};

#[test]
fn what_is_not_wanted_has_no_gauge() {
    let metrics = Metrics::default();
    metrics.add_policy("nightly");
    let at = |second| Timestamp::from_second(second).unwrap();
    metrics.drills("nightly", &DrillFacts::default());
    metrics.readings("nightly", &ReadingFacts::default());
    let text = metrics.render();
    assert!(!text.contains("milvus_backup_drill_") && !text.contains("last_drill"), "{text}");
    assert!(!text.contains("milvus_backup_verify_read_since"), "{text}");
    let wanted = DrillFacts {
        next_run: Some(at(90)),
        max_age: Some(Duration::from_hours(1)),
        since: Some(at(7)),
        last_success: None,
    };
    metrics.drills("nightly", &wanted);
    let text = metrics.render();
    let never = "milvus_backup_last_drill_success_timestamp_seconds{policy=\"nightly\"} 0\n";
    assert!(text.contains(never), "{text}");
    assert!(text.contains("milvus_backup_drill_max_age_seconds{policy=\"nightly\"} 3600\n"));
    assert!(!text.contains("rto"), "{text}");
    let made = Some((at(60), Duration::from_millis(1500)));
    metrics.drills("nightly", &DrillFacts { last_success: made, ..wanted });
    let text = metrics.render();
    assert!(text.contains("milvus_backup_last_drill_rto_seconds{policy=\"nightly\"} 1.5\n"));
    let reading = ReadingFacts { read_since: Some(at(5)), ..ReadingFacts::default() };
    metrics.readings("nightly", &reading);
    let since = "milvus_backup_verify_read_since_timestamp_seconds{policy=\"nightly\"} 5\n";
    assert!(metrics.render().contains(since));
    metrics.drills("other", &DrillFacts { since: Some(at(1)), ..DrillFacts::default() });
    assert!(!metrics.render().contains("other"), "a policy that is not configured");
}
