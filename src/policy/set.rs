//! All policies of a folder, checked together.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::intent::{self, Policy};
use super::reader::Reader;
use crate::model::{ClusterName, Diagnostic, Diagnostics, PolicyName, ReadFile, nearest};

/// The policies of a cluster, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySet {
    policies: BTreeMap<PolicyName, Policy>,
}

/// A name that a file claims, whether or not the rest of it is right.
struct Claim {
    name: PolicyName,
    file: PathBuf,
    /// The problem with this claim, in its place; the message is still to come.
    place: Box<dyn Fn(Diagnostic) -> Diagnostic>,
}

impl PolicySet {
    /// Reads every file. The cluster's name decides, with the policy's, what `jitter` adds.
    ///
    /// Either all files are right, or every problem of every file is told at once.
    pub fn parse(files: &[ReadFile], cluster: &ClusterName) -> Result<Self, Diagnostics> {
        let mut policies = BTreeMap::new();
        let (mut claims, mut problems) = (Vec::new(), Vec::new());
        for (file, content) in files {
            let (claim, read) = read(file, content, cluster);
            claims.extend(claim);
            match read {
                Ok(policy) => drop(policies.insert(policy.name.clone(), policy)),
                Err(more) => problems.extend(more),
            }
        }
        problems.extend(collisions(&claims));
        if problems.is_empty() { Ok(Self { policies }) } else { Err(Diagnostics::new(problems)) }
    }

    /// The policy of this name.
    pub fn get(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|(known, _)| known.as_str() == name).map(|(_, policy)| policy)
    }

    /// The name that was most likely meant.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.policies.keys().map(PolicyName::as_str))
    }

    /// Every policy, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }

    /// The names of those that also back up users and roles.
    pub fn with_rbac(&self) -> Vec<&str> {
        let wanting = self.iter().filter(|policy| policy.rbac);
        wanting.map(|policy| policy.name.as_str()).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }
}

type Read = (Option<Claim>, Result<Policy, Vec<Diagnostic>>);

fn read(file: &Path, content: &io::Result<Vec<u8>>, cluster: &ClusterName) -> Read {
    let document = match content {
        Ok(bytes) => Document::read(file, bytes),
        Err(error) => Err(Diagnostic::new(format!("the policy cannot be read: {error}"))
            .in_place(file.display().to_string())),
    };
    let mut reader = match document {
        Ok(document) => Reader { file, document },
        Err(problem) => return (None, Err(vec![problem])),
    };
    let name = intent::read_name(&mut reader);
    let policy = intent::read(&mut reader, cluster, name.clone());
    let claim = name.map(|name| claim(name, &reader));
    let problems = reader.document.into_problems(file);
    (claim, policy.filter(|_| problems.is_empty()).ok_or(problems))
}

fn claim(name: PolicyName, reader: &Reader<'_>) -> Claim {
    let file = reader.file.to_owned();
    let written = reader.document.values.get("name").and_then(|written| written.texts.first());
    let line = written.map(|text| reader.document.line(text.position));
    let shown = file.display().to_string();
    let place = Box::new(move |problem: Diagnostic| match &line {
        Some(line) => problem.at(line.clone()),
        None => problem.in_place(shown.clone()),
    });
    Claim { name, file, place }
}

/// Names that two files claim, or that become one in the names of backups.
fn collisions(claims: &[Claim]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let prefix = claim.name.backup_prefix();
        let earlier = claims[..index].iter().find(|other| other.name.backup_prefix() == prefix);
        let Some(earlier) = earlier else { continue };
        let (name, other) = (&claim.name, &earlier.name);
        let message = if name == other {
            format!("the policy `{name}` is there twice")
        } else {
            format!("the policies `{other}` and `{name}` name their backups alike: `{prefix}_...`")
        };
        let hint = format!("the other one is {}; rename one of them", earlier.file.display());
        problems.push((claim.place)(Diagnostic::new(message).hint(hint)));
    }
    problems
}
