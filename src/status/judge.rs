//! What is wrong, policy or not.

use std::time::Duration;

use crate::model::ByteSize;

use super::doubts;
use super::judge_policy;
use super::problem::{Problem, Trouble, sorted};
use super::words::{since, span};
use super::{StatusFacts, Teller};

/// A fifth above what must stay free the repository counts as almost full.
const ALMOST: u64 = 5;

/// So long the first look at the repository may take, and nobody has to know.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// Would a backup work?
pub(super) const CHECK: &str = "milvus-backup-agent check";

/// Everything that is wrong or worth a note, the heaviest first.
pub(super) fn judge(facts: &StatusFacts) -> Vec<Problem> {
    let mut found = Vec::new();
    agent(facts, &mut found);
    repository(facts, &mut found);
    readiness(facts, &mut found);
    starting(facts, &mut found);
    broker(facts, &mut found);
    settings(facts, &mut found);
    found.extend(facts.leftovers.as_ref().and_then(judge_policy::pruned_badly));
    found.extend(doubts::judge(facts));
    for policy in &facts.policies {
        judge_policy::judge(policy, facts, &mut found);
    }
    let mut found = sorted(found);
    for problem in &mut found {
        facts.config_file.iter().for_each(|file| problem.configured_by(file));
    }
    found
}

fn agent(facts: &StatusFacts, found: &mut Vec<Problem>) {
    let Teller::Command(unanswered) = &facts.told_by else { return };
    let problem = Problem::new(Trouble::NoAgent, &unanswered.message, &unanswered.remedy);
    found.push(Problem { command: unanswered.command.clone(), ..problem });
}

fn repository(facts: &StatusFacts, found: &mut Vec<Problem>) {
    let repository = &facts.repository;
    if let Some((why, hint)) = &repository.unreadable {
        let message = format!("the repository `{}` cannot be read: {why}", repository.place);
        let remedy = hint.as_deref().unwrap_or("look whether its place is there and mounted");
        found.push(Problem::new(Trouble::RepositoryUnreadable, message, remedy).command(CHECK));
    }
    if let (Some(free), Some(least)) = (repository.free_bytes, repository.min_free_bytes)
        && free < least.saturating_add(least / ALMOST)
    {
        let (kind, so) = if free < least {
            (Trouble::LowSpace, "backups are refused")
        } else {
            (Trouble::AlmostFull, "soon backups are refused")
        };
        let (free, least) = (ByteSize(free), ByteSize(least));
        let message = format!("the repository has {free} free, and {least} must stay free: {so}");
        let remedy = "make room, add space, or let `prune` show what could go";
        found.push(Problem::new(kind, message, remedy).command("milvus-backup-agent prune"));
    }
}

fn readiness(facts: &StatusFacts, found: &mut Vec<Problem>) {
    // What is said of the repository and the broker elsewhere needs no second time.
    let told = ["catalog", "amqp"];
    for one in facts.waiting.iter().filter(|one| !told.contains(&one.what.as_str())) {
        let message = format!("a backup would not work now: {}: {}", one.what, one.why);
        let remedy = "the agent looks again by itself; `check` says more, with what to do";
        found.push(Problem::new(Trouble::NotReady, message, remedy).command(CHECK));
    }
}

/// What is not known yet is nothing wrong, unless it takes too long.
fn starting(facts: &StatusFacts, found: &mut Vec<Problem>) {
    let Teller::Agent { started_at, .. } = &facts.told_by else { return };
    let is_waiting = facts.waiting.iter().any(|one| one.what == "catalog");
    if !is_waiting || facts.repository.unreadable.is_some() {
        return;
    }
    let took = since(*started_at, facts.now);
    let note =
        |message: &str| Problem::new(Trouble::Starting, message, "nothing: look again in a moment");
    found.push(match facts.repository.read_at {
        Some(_) => note("whether a backup would work is being looked at"),
        None if took <= FIRST_LOOK => note("the agent has just started, and reads the repository"),
        None => {
            let place = &facts.repository.place;
            let message = format!("the repository `{place}` is being read for {}", span(took));
            let remedy = "look whether its place is there and answers";
            Problem::new(Trouble::NotReady, message, remedy)
        }
    });
}

fn broker(facts: &StatusFacts, found: &mut Vec<Problem>) {
    if facts.unnamed_broker {
        let message = "there is a section `amqp` without `amqp.url`: no message comes, and nobody \
                       is told of runs";
        let remedy = "set `amqp.url`, or remove the section";
        found.push(Problem::new(Trouble::BrokerUnnamed, message, remedy));
    }
    let Some(broker) = facts.broker.as_ref().filter(|broker| !broker.is_well) else { return };
    let message = format!("the broker: {}", broker.state);
    let remedy = "schedules go on and events wait meanwhile; look at RabbitMQ and at `amqp.url`";
    found.push(
        Problem::new(Trouble::BrokerAway, message, remedy)
            .command("journalctl -u milvus-backup-agent -p warning"),
    );
}

fn settings(facts: &StatusFacts, found: &mut Vec<Problem>) {
    for wrong in &facts.settings {
        let problem = Problem::new(Trouble::SettingsRefused, &wrong.message, &wrong.remedy);
        found.push(problem.command("milvus-backup-agent policy check"));
    }
    if facts.policies.is_empty() && facts.settings.is_empty() {
        let message = "there is no policy, so nothing is backed up by itself";
        let folder = &facts.policy_folder;
        let remedy = format!(
            "put one into `{folder}`, such as the one below, and then \
             `systemctl reload milvus-backup-agent`"
        );
        let command = format!(
            "echo '{{schedule: {{every: 6h}}, retention: {{keep_last: 3, keep_daily: 7}}}}' \
             >{folder}/all.yaml"
        );
        found.push(Problem::new(Trouble::NoPolicies, message, remedy).command(command));
    }
}
