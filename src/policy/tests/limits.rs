//! What is told of files that are no policies, or very wrong ones, stays readable.

use super::{parse, policy};
use crate::model::MAX_POLICY_BYTES;

const GOOD: &str = "retention: {keep_all: true}\n";

#[test]
fn a_file_that_is_too_long_is_no_policy() {
    let room = MAX_POLICY_BYTES - GOOD.len() - "#\n".len();
    let most = format!("#{}\n{GOOD}", "x".repeat(room));
    policy(&most);
    let told = parse(&[("p.yaml", &format!("#{most}"))]).unwrap_err().to_string();
    let expected = "error: the file has more than 262144 bytes\n --> /policies/p.yaml\n";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn of_many_problems_the_first_are_told_and_the_rest_counted() {
    let lines: Vec<String> = (0..20_000).map(|number| format!("k{number}: 1\n")).collect();
    let lines = lines.concat();
    for text in [lines.clone(), format!("{{{}}}", lines.replace('\n', ", "))] {
        let told = parse(&[("p.yaml", &text)]).unwrap_err();
        let (last, told) = (told.as_slice().last().unwrap(), told.to_string());
        // All of them, and that `retention` is missing.
        assert_eq!(last.message(), "and 19951 more problems");
        assert!(told.len() < 50_000, "{} bytes", told.len());
    }
    let twice = "name: p\n".repeat(20_000) + GOOD;
    assert_eq!(parse(&[("p.yaml", &twice)]).unwrap_err().as_slice().len(), 51);
}

#[test]
fn a_value_that_is_too_long_is_not_shown_whole() {
    let cron = format!("schedule: {{cron: \"{} 2 * * *\"}}\n{GOOD}", "0,".repeat(600) + "1");
    let told = parse(&[("p.yaml", &cron)]).unwrap_err();
    let [problem] = told.as_slice() else { panic!("{told}") };
    let message = "`schedule.cron`: it has 1209 bytes, and may have 1000";
    assert_eq!(problem.message(), message);
    assert!(told.to_string().len() < 600, "{told}");
    // Among the names of zones, none is looked for that is like this.
    let zone = "x".repeat(200_000);
    let told = parse(&[("p.yaml", &format!("triggers: [{zone}]\n{GOOD}"))]).unwrap_err();
    assert!(told.to_string().len() < 1000, "{told}");
}

#[test]
fn what_is_quoted_cannot_pass_for_another_line() {
    let text = "collections: [\"a\\nerror: all is well\\e[2J\"]\nretention: {keep_all: true}\n";
    let told = parse(&[("p.yaml", text)]).unwrap_err();
    let [problem] = told.as_slice() else { panic!("{told}") };
    assert!(problem.message().contains(r"`a\nerror: all is well\u{1b}[2J` is not a"), "{told}");
    let shown = policy("schedule: {every: \"1h\\n30m\"}\nretention: {keep_all: true}\n");
    assert_eq!(shown.schedule.unwrap().to_string(), "every 1h 30m");
}
