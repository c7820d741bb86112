//! Manifest and request and what the target has → what is restored where.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::manifest::{CollectionContent, CollectionRecord, Manifest};
use crate::model::{KeyValue, Namespace};
use crate::policy::CollectionSelector;

use super::temporary::{MAX_NAME, drill_name, restoring_name};

/// What someone wants back.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Which collections, by their names in the backup.
    pub selector: CollectionSelector,
    /// Appended to every name.
    pub suffix: Option<String>,
    /// Other names for some.
    pub renames: Vec<(Namespace, Namespace)>,
    /// Whether a collection of the target name may be replaced.
    pub drop_existing: bool,
}

/// A collection that the target has under a wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetCollection {
    /// Its id.
    pub id: i64,
    /// Its own name; differs from the wanted one if that is an alias.
    pub name: String,
    /// Aliases that point to it.
    pub aliases: Vec<String>,
}

/// What the target has, by the wanted name.
pub type Existing = BTreeMap<Namespace, TargetCollection>;

/// One collection to restore.
#[derive(Debug, Clone)]
pub struct CollectionRestore {
    /// Its name in the backup.
    pub from: Namespace,
    /// Its name in the target.
    pub to: Namespace,
    /// The name it is filled under.
    pub restoring: Namespace,
    /// What to make of it.
    pub content: CollectionContent,
    /// What the backup lacks of it.
    pub lacks: Option<String>,
    /// The collection that it replaces.
    pub replaces: Option<TargetCollection>,
}

/// What a restore will do.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// Databases that may have to be made.
    pub databases: BTreeSet<String>,
    /// The collections, in the order of their names.
    pub collections: Vec<CollectionRestore>,
    /// Selected collections that the backup does not have, and why.
    pub absent: Vec<(Namespace, String)>,
}

/// The target of every selected collection, before anything is asked of the server.
pub fn targets(manifest: &Manifest, request: &RestoreRequest) -> Vec<(Namespace, Namespace)> {
    let renames: HashMap<&Namespace, &Namespace> =
        request.renames.iter().map(|(from, to)| (from, to)).collect();
    let suffix = request.suffix.as_deref().unwrap_or_default();
    let selected = manifest.collections.iter().map(CollectionRecord::namespace);
    selected
        .filter(|from| request.selector.matches(from))
        .map(|from| {
            let to = renames.get(&from).copied().unwrap_or(&from);
            let to = Namespace::new(&to.database, format!("{}{suffix}", to.collection));
            (from, to)
        })
        .collect()
}

/// Something in the way of a restore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreProblem {
    /// The request is wrong in itself.
    #[error("{0}")]
    Request(String),
    /// Milvus would refuse a wanted name.
    #[error("`{0}` is no Milvus name")]
    Name(String),
    /// The target has something under a wanted name.
    #[error("{0} exists already")]
    Taken(Namespace),
    /// A wanted name is an alias, which a restore never replaces.
    #[error("{alias} is an alias of {of}")]
    Alias {
        /// The wanted name.
        alias: Namespace,
        /// The collection that it points to.
        of: String,
    },
}

impl RestoreProblem {
    /// What to do about it, where the problem does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Request(_) => None,
            Self::Name(_) => Some("use 1 to 255 letters, digits and `_`, with no digit first"),
            Self::Taken(_) => Some(
                "restore beside what is there (--suffix, --rename) or replace it (--drop-existing)",
            ),
            Self::Alias { .. } => {
                Some("drop the alias, or restore under another name (--suffix, --rename)")
            }
        }
    }
}

/// What is wrong with a request in itself, before anything is asked of the server.
pub fn check_request(
    manifest: &Manifest,
    request: &RestoreRequest,
) -> Result<(), Vec<RestoreProblem>> {
    let pairs = targets(manifest, request);
    let problems = problems(manifest, request, &Existing::new(), &pairs);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Plans a restore, or says everything that is in its way.
///
/// `existing` has what the target answered for each name of [`targets`]; `id` marks the
/// collections that are being filled.
pub fn plan_restore(
    manifest: &Manifest,
    request: &RestoreRequest,
    existing: &Existing,
    id: &str,
) -> Result<RestorePlan, Vec<RestoreProblem>> {
    let pairs = targets(manifest, request);
    let problems = problems(manifest, request, existing, &pairs);
    if !problems.is_empty() {
        return Err(problems);
    }
    let records: HashMap<Namespace, _> =
        manifest.collections.iter().map(|record| (record.namespace(), record)).collect();
    let mut plan =
        RestorePlan { databases: BTreeSet::new(), collections: Vec::new(), absent: Vec::new() };
    for (from, to) in pairs {
        let record = records[&from];
        let Some(content) = &record.content else {
            let error = record.error.clone().unwrap_or_default();
            plan.absent.push((from, error));
            continue;
        };
        plan.databases.insert(to.database.clone());
        plan.collections.push(CollectionRestore {
            restoring: Namespace::new(&to.database, restoring_name(&to.collection, id)),
            replaces: existing.get(&to).cloned(),
            content: content.clone(),
            lacks: record.error.clone(),
            from,
            to,
        });
    }
    Ok(plan)
}

/// Plans a drill: everything, under names that only the drill of this id gives.
pub fn plan_drill(manifest: &Manifest, id: &str) -> RestorePlan {
    let mut plan =
        RestorePlan { databases: BTreeSet::new(), collections: Vec::new(), absent: Vec::new() };
    let mut given: HashSet<Namespace> = HashSet::new();
    for record in &manifest.collections {
        let from = record.namespace();
        let Some(content) = &record.content else {
            plan.absent.push((from, record.error.clone().unwrap_or_default()));
            continue;
        };
        let name =
            |number| Namespace::new(&from.database, drill_name(&from.collection, number, id));
        let to = (0..=given.len()).map(name).find(|name| !given.contains(name));
        let to = to.expect("there are more numbers than names that were given");
        given.insert(to.clone());
        plan.databases.insert(to.database.clone());
        plan.collections.push(CollectionRestore {
            restoring: to.clone(),
            replaces: None,
            content: content.clone(),
            lacks: record.error.clone(),
            from,
            to,
        });
    }
    plan
}

/// The properties of the database that a target's collections come from, for one that is made
/// anew.
pub fn database_properties(
    manifest: &Manifest,
    plan: &RestorePlan,
    database: &str,
) -> Vec<KeyValue> {
    let from = plan.collections.iter().find(|collection| collection.to.database == database);
    let described = from.and_then(|collection| {
        let mut told = manifest.database_descriptions.iter();
        told.find(|description| description.name == collection.from.database)
    });
    described.map(|description| description.properties.clone()).unwrap_or_default()
}

fn problems(
    manifest: &Manifest,
    request: &RestoreRequest,
    existing: &Existing,
    pairs: &[(Namespace, Namespace)],
) -> Vec<RestoreProblem> {
    use RestoreProblem::{Alias, Name, Request, Taken};
    let mut problems = Vec::new();
    let names: Vec<Namespace> =
        manifest.collections.iter().map(CollectionRecord::namespace).collect();
    for pattern in request.selector.unmatched(&names) {
        problems.push(Request(format!(
            "`{pattern}` matches no collection of backup {}",
            manifest.name
        )));
    }
    for (index, (from, to)) in request.renames.iter().enumerate() {
        if request.renames[..index].iter().any(|(earlier, _)| earlier == from) {
            problems.push(Request(format!("{from} is renamed twice, the second time to {to}")));
        }
        if !names.contains(from) {
            problems.push(Request(format!(
                "{from} is to be renamed, but is not in backup {}",
                manifest.name
            )));
        } else if !request.selector.matches(from) {
            problems.push(Request(format!("{from} is to be renamed, but is not selected")));
        }
    }
    let mut taken: BTreeMap<&Namespace, &Namespace> = BTreeMap::new();
    for (from, to) in pairs {
        if let Some(other) = taken.insert(to, from) {
            problems.push(Request(format!("{other} and {from} would both become {to}")));
        }
        for name in [&to.database, &to.collection] {
            if !is_milvus_name(name) {
                problems.push(Name(name.clone()));
            }
        }
        match existing.get(to) {
            Some(found) if found.name != to.collection => {
                problems.push(Alias { alias: to.clone(), of: found.name.clone() });
            }
            Some(_) if !request.drop_existing => problems.push(Taken(to.clone())),
            Some(_) | None => {}
        }
    }
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.to_string()));
    problems
}

fn is_milvus_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    name.len() <= MAX_NAME && name.starts_with(first) && name.chars().all(rest)
}
