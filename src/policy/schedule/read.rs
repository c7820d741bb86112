//! `schedule` of a policy → its type.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::cron::Pattern;
use super::jitter;
use super::timing::{CatchUp, Overlap, Schedule, Timing};
use super::zone;
use crate::model::{ClusterName, Diagnostic, Invalid, PolicyName, duration};
use crate::policy::reader::Reader;

/// The part of the shortest interval that `jitter` may be.
const JITTER_PART: i32 = 10;

/// Reads `schedule`, if there is one.
pub(in crate::policy) fn read(
    reader: &mut Reader<'_>,
    (cluster, policy): (&ClusterName, &PolicyName),
    zone: Option<&TimeZone>,
) -> Option<Schedule> {
    let (cron, every) = (reader.has("schedule.cron"), reader.has("schedule.every"));
    if !reader.document.sections.contains_key("schedule") || is_zone_of_verify(reader) {
        return None;
    }
    let timing = timing(reader, zone);
    match (cron, every) {
        (true, true) => {
            let problem = Diagnostic::new("`schedule.cron` and `schedule.every` are both set");
            reader.refuse("schedule.every", problem.hint("remove one of them"));
        }
        (false, false) if !reader.is_spoiled("schedule") => {
            let hint = "write `cron: \"0 2 * * *\"` or `every: 30m`; to run on request alone, remove `schedule`";
            let problem = Diagnostic::new("`schedule` does not say when").hint(hint);
            reader.refuse("schedule", problem);
        }
        (true | false, _) => {}
    }
    let jitter = read_jitter(reader, timing.as_ref());
    let catch_up = reader.get("schedule.catch_up", catch_up);
    let catch_up = if reader.has("schedule.catch_up") { catch_up? } else { CatchUp::Interval };
    let overlap = reader.word("schedule.overlap", &Overlap::ALL);
    let (jitter, overlap) = (jitter?, overlap?);
    let delay = jitter::delay(cluster, policy, jitter);
    Some(Schedule { timing: timing?, jitter, delay, catch_up, overlap })
}

/// Reads the zone of all patterns of a policy.
pub(in crate::policy) fn read_zone(reader: &mut Reader<'_>) -> Option<TimeZone> {
    reader.get("schedule.timezone", zone::parse)
}

/// Reads a pattern of `verify`; none if there is to be none.
pub(in crate::policy) fn read_cron(
    reader: &mut Reader<'_>,
    path: &str,
    zone: Option<&TimeZone>,
) -> Option<Schedule> {
    let pattern = reader.get(path, |text| match text {
        "none" => Ok(None),
        pattern => Pattern::parse(pattern).map(Some),
    });
    Some(Schedule {
        timing: Timing::Cron { pattern: Box::new(pattern.flatten()?), zone: zone?.clone() },
        jitter: SignedDuration::ZERO,
        delay: SignedDuration::ZERO,
        catch_up: CatchUp::Within(SignedDuration::MAX),
        overlap: Overlap::Skip,
    })
}

/// The patterns that have the zone of `schedule` and are not in it.
const OF_VERIFY: [&str; 2] = ["verify.schedule", "verify.drill"];

/// Whether all that `schedule` says is the zone of the patterns of `verify`.
fn is_zone_of_verify(reader: &Reader<'_>) -> bool {
    let mut written = reader.document.values.keys().filter(|path| path.starts_with("schedule."));
    let zone = written.next() == Some(&"schedule.timezone") && written.next().is_none();
    zone && !reader.is_spoiled("schedule") && OF_VERIFY.iter().any(|path| reader.has(path))
}

fn timing(reader: &mut Reader<'_>, zone: Option<&TimeZone>) -> Option<Timing> {
    let pattern = reader.get("schedule.cron", Pattern::parse);
    let every = reader.get("schedule.every", every);
    let zone_beside_every = reader.has("schedule.timezone") && reader.has("schedule.every");
    let means_something =
        reader.has("schedule.cron") || OF_VERIFY.iter().any(|path| reader.has(path));
    if zone_beside_every && !means_something {
        let problem = Diagnostic::new("`schedule.timezone` means nothing beside `schedule.every`");
        let hint = "`every` counts in UTC; for a time of day write `cron: \"0 2 * * *\"`";
        reader.refuse("schedule.timezone", problem.hint(hint));
    }
    match (pattern, every) {
        (Some(pattern), _) => {
            Some(Timing::Cron { pattern: Box::new(pattern), zone: zone?.clone() })
        }
        (None, every) => every,
    }
}

fn every(text: &str) -> Result<Timing, Invalid> {
    let every = duration(text)?;
    let seconds = every.as_secs();
    if seconds == 0 || every.subsec_nanos() != 0 {
        return Err(Invalid::expected("whole seconds, at least 1s", text)
            .hint("to run on request alone, remove `schedule`"));
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Timing::Every { text, seconds })
}

fn catch_up(text: &str) -> Result<CatchUp, Invalid> {
    if text == "none" {
        return Ok(CatchUp::Never);
    }
    let window = duration(text)?;
    if window.is_zero() {
        return Err(Invalid::new(format!("must be longer than nothing, found `{text}`"))
            .hint("to catch nothing up, write `none`"));
    }
    Ok(CatchUp::Within(window))
}

fn read_jitter(reader: &mut Reader<'_>, timing: Option<&Timing>) -> Option<SignedDuration> {
    let shortest = || match timing {
        Some(Timing::Cron { pattern, .. }) => pattern.shortest_seconds(),
        Some(Timing::Every { seconds, .. }) => *seconds,
        None => i64::MAX,
    };
    reader.get("schedule.jitter", |text| {
        let jitter = duration(text)?;
        if jitter.is_zero() {
            return Ok(jitter);
        }
        let shortest = SignedDuration::from_secs(shortest());
        let most = SignedDuration::from_secs((shortest / JITTER_PART).as_secs());
        if jitter <= most {
            return Ok(jitter);
        }
        let message =
            format!("must be at most 10 % of the shortest interval ({shortest:#}), found `{text}`");
        Err(Invalid::new(message).hint(if most.is_zero() {
            "remove it: runs that are so near have no room".to_owned()
        } else {
            format!("write at most {most:#}")
        }))
    })
}
