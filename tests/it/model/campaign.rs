//! Many histories, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::history::History;
use super::tally::Tally;
use super::world::World;

/// A history that broke a rule.
#[derive(Debug)]
pub(crate) struct Failure {
    history: History,
    /// How many of its steps were done; one more than there are for its end.
    steps: usize,
    why: String,
    trace: Vec<String>,
}

impl Failure {
    pub(super) fn seed(&self) -> u64 {
        self.history.seed
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let History { seed, kind, ops } = &self.history;
        writeln!(f, "seed {seed}: {}\n{kind:?}", self.why)?;
        for op in ops.iter().take(self.steps) {
            writeln!(f, "    Op::{op:?},")?;
        }
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// Plays one history to its end.
pub(super) fn play(history: &History, trace: bool) -> Result<Tally, Box<Failure>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async {
        let mut world = World::new(history.kind, history.seed, trace);
        let mut steps = 0;
        let ended = async {
            for op in &history.ops {
                steps += 1;
                world.step(*op).await;
                world.check().await?;
            }
            steps += 1;
            world.end().await
        };
        let ended: Result<(), String> = ended.await;
        match ended {
            Ok(()) => Ok(world.counted()),
            Err(why) => {
                let trace = world.book().trace.take().unwrap_or_default();
                Err(Box::new(Failure { history: history.clone(), steps, why, trace }))
            }
        }
    })
}

/// Plays on every core the histories of so many seeds from one on; the failure with the lowest seed.
pub(super) fn play_all(first: u64, count: u64) -> Result<Tally, Box<Failure>> {
    let next = AtomicU64::new(first);
    let all = Mutex::new((Tally::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || !all.lock().expect("no panic").1.is_empty() {
                        return;
                    }
                    let played = play(&History::of(seed), false);
                    let mut all = all.lock().expect("no panic");
                    match played {
                        Ok(tally) => all.0.add(&tally),
                        Err(failure) => all.1.push(failure),
                    }
                }
            });
        }
    });
    let (tally, failures) = all.into_inner().expect("no panic");
    failures.into_iter().min_by_key(|failure| failure.history.seed).map_or(Ok(tally), Err)
}
