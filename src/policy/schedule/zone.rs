//! Names of time zones.

use jiff::tz::TimeZone;

use crate::model::{Invalid, nearest};

/// The zone with an IANA name.
pub(super) fn parse(text: &str) -> Result<TimeZone, Invalid> {
    let named = |zone: &TimeZone| zone.iana_name().is_some_and(|name| name != "Etc/Unknown");
    if let Some(zone) = TimeZone::get(text).ok().filter(named) {
        return Ok(zone);
    }
    let invalid = Invalid::expected("an IANA time zone such as Europe/Berlin or UTC", text);
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let last = |name: &&String| {
        let city = name.rsplit('/').next().unwrap_or_default();
        city.eq_ignore_ascii_case(text) && name.contains('/')
    };
    let meant = known.iter().find(last).map(String::as_str);
    Err(match meant.or_else(|| nearest(text, known.iter().map(String::as_str))) {
        Some(meant) => invalid.hint(format!("did you mean `{meant}`?")),
        None => invalid.hint("`timedatectl list-timezones` lists the names"),
    })
}

/// The name of a zone that [`parse`] made.
pub(super) fn name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

#[cfg(test)]
mod tests {
    use super::{name, parse};

    #[test]
    fn zones_have_iana_names() {
        for (text, expected) in
            [("UTC", "UTC"), ("Asia/Shanghai", "Asia/Shanghai"), ("europe/berlin", "Europe/Berlin")]
        {
            assert_eq!(name(&parse(text).unwrap()), expected);
        }
        for (text, hint) in [
            ("Europe/Berln", "did you mean `Europe/Berlin`?"),
            ("berlin", "did you mean `Europe/Berlin`?"),
            ("+02:00", "timedatectl"),
            ("../../etc/passwd", "timedatectl"),
            ("/usr/share/zoneinfo/UTC", ""),
            ("", ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.hint.clone().unwrap_or_default().contains(hint), "{text}: {error:?}");
        }
    }
}
