//! The rules with their times shortened, for a test that cannot wait for hours.

use super::rules::rules;

/// Lets a minute last a second: in `for: 5m`, in `[15m]` and in `15 * 60`. Nothing else changes,
/// and so the limits that come from metrics, as the maximal age of a backup, stay.
pub(crate) fn shortened(text: &str) -> String {
    let mut short = text.replace("* 60", "* 1").replace("* 3600", "* 60");
    for before in ["for: ", "["] {
        let mut parts = short.split(before);
        let mut made = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            made += before;
            made += &length(part).unwrap_or_else(|| part.to_owned());
        }
        short = made;
    }
    short
}

/// A text that begins with a length of time, with it sixty times as short.
fn length(text: &str) -> Option<String> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let number: u32 = number.parse().ok()?;
    let (unit, rest) = rest.split_at_checked(1)?;
    let short = match unit {
        "m" => format!("{number}s"),
        "h" => format!("{number}m"),
        "d" => format!("{}m", number * 24),
        _ => return None,
    };
    Some(short + rest)
}

#[test]
fn a_minute_lasts_a_second() {
    let text = "for: 5m\nx[15m] > y[2d] - 4 * 3600 or z > 30 * 60 and a[3] # 7m";
    let short = "for: 5s\nx[15s] > y[48m] - 4 * 60 or z > 30 * 1 and a[3] # 7m";
    assert_eq!(shortened(text), short);
}

/// Else a limit would keep its length, and the live test wait for it.
#[test]
fn every_limit_of_time_is_written_so_that_it_can_be_shortened() {
    for rule in rules() {
        let word = |c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_';
        let numbers = rule.expr.split(word).filter_map(|word| word.parse::<f64>().ok());
        for number in numbers {
            let unit = [60., 3600.].contains(&number);
            assert!(unit || number <= 30., "{}: {number} may be seconds", rule.alert);
        }
        let units = rule.expr.matches(" 60").count() + rule.expr.matches(" 3600").count();
        let written = rule.expr.matches("* 60").count() + rule.expr.matches("* 3600").count();
        assert_eq!(units, written, "{}: write N * 60 or N * 3600", rule.alert);
    }
}
