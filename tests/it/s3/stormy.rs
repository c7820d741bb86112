//! Whole backups while one request of ten fails, and over a network that cuts, stalls and
//! slows: a backup is never complete with a missing or a short file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::catalog::BackupState;
use milvus_backup_agent::job::{
    JobContext, Prune, RunOutcome, Sizes, run_backup, run_list, run_prune, run_verify,
};
use milvus_backup_agent::model::{ErrorKind, KeyPrefix};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, S3Limits, S3Store};

use super::faulty_server::FaultyServer;
use super::limits::{PARTS, key, open, settings};
use super::storm::Storm;
use crate::lab::{Proxy, Weather, say};
use crate::support::{Lab, backup_name, request};

/// `make soak` takes more.
#[expect(clippy::disallowed_methods, reason = "it is the test that is configured")]
fn seeds() -> u64 {
    std::env::var("MBA_SEEDS").map_or(3, |seeds| seeds.parse().expect("MBA_SEEDS is a number"))
}

/// A network that stalls is given up soon.
const LIMITS: S3Limits = S3Limits { patience: Duration::from_secs(1), ..PARTS };

/// A client keeps its good connections, so there are none: a large answer is always cut.
fn weather(storm: &mut Storm) -> Weather {
    let bytes = 600 + storm.below(6000);
    match storm.below(8) {
        0..3 => Weather::Cut(bytes),
        3 => Weather::Stall(bytes),
        4..6 => Weather::Slow(bytes),
        _ => Weather::Cut(bytes * 2),
    }
}

/// Files of two collections, in memory or in bucket `one`.
async fn world(source: Option<Arc<dyn ObjectStore>>) -> Lab {
    let lab = source.map_or_else(Lab::new, Lab::over);
    for segment in 0..4 {
        lab.fill("films", segment * 5..segment * 5 + 5).await;
    }
    lab.fill("books", 0..4).await;
    lab
}

/// Every file of the backup is there, byte for byte. Tells how the run ended.
async fn judge(lab: &Lab, context: &JobContext, why: &str) -> &'static str {
    let rows = match run_list(context, Sizes::Known).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return "failed",
        rows => rows.unwrap_or_else(|error| panic!("{why}: {}", error.chain())),
    };
    let state = rows.into_iter().find(|row| row.name == "b").map(|row| row.state);
    match state {
        Some(BackupState::Complete) => {}
        Some(BackupState::Running | BackupState::Failed) | None => return "failed",
        other => panic!("{why}: {other:?}"),
    }
    let verified = run_verify(context, None, &backup_name("b"), VerifyDepth::Content).await;
    let verified = verified.unwrap_or_else(|error| panic!("{why}: {}", error.chain()));
    assert_eq!(verified.outcome, RunOutcome::Complete, "{why}: {verified:?}");
    let files = lab.source.list_all(&KeyPrefix::root()).await.expect("a list");
    let files: Vec<_> = files
        .into_iter()
        .filter(|meta| {
            ["insert_log/", "delta_log/"].iter().any(|log| meta.key.as_str().starts_with(log))
        })
        .collect();
    assert_eq!(verified.files, files.len() as u64, "{why}");
    for file in files {
        let copy = key(&format!("c1/_segments/{}", file.key));
        let body = context.repository.get_bytes(&copy).await;
        let body = body.unwrap_or_else(|error| panic!("{why}: {error}"));
        assert!(
            body == lab.source.get_bytes(&file.key).await.expect("it is there"),
            "{why}: {copy}"
        );
    }
    "complete"
}

/// One backup in bad weather over `address`, judged in good weather over `fine`.
async fn one(
    lab: &Lab,
    (address, fine): (&str, &str),
    prefix: &str,
    calm: impl FnOnce(),
) -> &'static str {
    let place = |address: &str| settings(address, "two", prefix);
    let ended = match S3Store::open(&place(address), LIMITS).await {
        Ok(store) => {
            let context = lab.context_over(Arc::new(store));
            run_backup(&context, request("b")).await.map(Some).map_err(|error| error.chain())
        }
        Err(error) => Err(error.to_string()),
    };
    calm();
    let context = lab.context_over(open(&place(fine), LIMITS).await);
    let why = format!("{prefix}: {ended:?}");
    let state = judge(lab, &context, &why).await;
    match &ended {
        Ok(_) => assert_eq!(state, "complete", "{why}"),
        Err(error) => assert!(error.contains("s3://"), "{why}: no place is named"),
    }
    state
}

/// Without faults all goes well again.
async fn recovers(lab: &Lab, fine: &str, prefix: &str) {
    let context = lab.context_over(open(&settings(fine, "two", prefix), LIMITS).await);
    let after = run_backup(&context, request("after")).await;
    let after = after.unwrap_or_else(|error| panic!("{prefix}: {}", error.chain()));
    assert_eq!(after.outcome, RunOutcome::Complete, "{prefix}");
    let verified = run_verify(&context, None, &backup_name("after"), VerifyDepth::Content).await;
    assert_eq!(verified.expect("it is read").outcome, RunOutcome::Complete, "{prefix}");
    let pruned = run_prune(&context, None, Prune::Apply).await.expect("a prune");
    assert_eq!(pruned.errors, [""; 0], "{prefix}");
}

#[tokio::test]
async fn one_request_of_ten_fails() {
    let seeds = seeds();
    let server = FaultyServer::start().await;
    let other = FaultyServer::start().await;
    let address = server.address.as_str();
    let mut ends = BTreeMap::<&str, u64>::new();
    let mut faults = BTreeMap::<&str, usize>::new();
    for seed in 1..=seeds {
        // Files from memory, from the same server, which copies by itself, or from another.
        let prefix = format!("storm-{seed}");
        let place = match seed % 3 {
            0 => Some(settings(&other.address, "one", &prefix)),
            1 => None,
            _ => Some(settings(address, "one", &prefix)),
        };
        let source: Option<Arc<dyn ObjectStore>> = match place {
            Some(place) => Some(open(&place, LIMITS).await),
            None => None,
        };
        let lab = world(source).await;
        server.begin_storm(seed);
        other.begin_storm(seed + 1000);
        let calm = || {
            for (name, times) in server.end_storm().into_iter().chain(other.end_storm()) {
                *faults.entry(name).or_default() += times;
            }
        };
        *ends.entry(one(&lab, (address, address), &prefix, calm).await).or_default() += 1;
        recovers(&lab, address, &prefix).await;
    }
    say(&format!("{seeds} backups under faults: {ends:?}; faults: {faults:?}"));
    let rare = if seeds < 20 { 2 } else { 0 };
    assert!(faults.len() + rare >= 7, "{faults:?}");
    // 16 and 18 of 20 were seen.
    assert!(ends.get("complete").copied().unwrap_or(0) >= seeds / 2, "{ends:?}");
}

#[tokio::test]
async fn the_network_cuts_stalls_and_slows() {
    let seeds = seeds();
    let server = FaultyServer::start().await;
    let mut ends = BTreeMap::<&str, usize>::new();
    let mut faults = 0;
    for seed in 1..=seeds {
        let prefix = format!("network-{seed}");
        let lab = world(None).await;
        let mut storm = Storm::new(seed);
        let host = server.address.trim_start_matches("http://");
        let proxy = Proxy::start_in(host, move || weather(&mut storm)).await;
        let address = format!("http://{}", proxy.address);
        let addresses = (address.as_str(), server.address.as_str());
        *ends.entry(one(&lab, addresses, &prefix, || {}).await).or_default() += 1;
        assert!(proxy.faults() > 0, "{prefix}: the network was fine");
        faults += proxy.faults();
        recovers(&lab, &server.address, &prefix).await;
    }
    // 2 and 3 of 3 were seen.
    assert!(
        ends.get("complete").copied().unwrap_or(0)
            >= usize::try_from(seeds.div_ceil(3)).expect("few"),
        "{ends:?}"
    );
    say(&format!("{seeds} backups over {faults} bad connections: {ends:?}"));
}
