//! `schedule` of a policy → its type.

use jiff::SignedDuration;

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
    cluster: &ClusterName,
    policy: &PolicyName,
) -> Option<Schedule> {
    let (cron, every) = (reader.has("schedule.cron"), reader.has("schedule.every"));
    if !reader.document.sections.contains_key("schedule") {
        return None;
    }
    let timing = timing(reader);
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

/// Whether a text is a pattern.
pub(in crate::policy) fn check_cron(text: &str) -> Result<(), Invalid> {
    Pattern::parse(text).map(drop)
}

fn timing(reader: &mut Reader<'_>) -> Option<Timing> {
    let pattern = reader.get("schedule.cron", Pattern::parse);
    let every = reader.get("schedule.every", every);
    let zone = reader.get("schedule.timezone", zone::parse);
    let zone_beside_every = reader.has("schedule.timezone") && reader.has("schedule.every");
    if zone_beside_every && !reader.has("schedule.cron") {
        let problem = Diagnostic::new("`schedule.timezone` means nothing beside `schedule.every`");
        let hint = "`every` counts in UTC; for a time of day write `cron: \"0 2 * * *\"`";
        reader.refuse("schedule.timezone", problem.hint(hint));
    }
    match (pattern, every) {
        (Some(pattern), _) => Some(Timing::Cron { pattern: Box::new(pattern), zone: zone? }),
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
