//! Which layer's value wins.

use std::collections::BTreeMap;
use std::fmt;

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::keys::{Fallback, Key};
use super::origin::{Origin, Origins};
use super::table::KEYS;

/// A value as written. It may be a secret, so `Debug` shows only its origin.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The values of one place, by dotted path.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    name: &'static str,
    values: BTreeMap<&'static str, Written>,
}

impl Layer {
    /// An empty layer; the name only tells layers apart.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, values: BTreeMap::new() }
    }

    /// The values that hold where nothing is written.
    pub(crate) fn defaults() -> Self {
        let mut layer = Self::new("default");
        for key in KEYS {
            if let Fallback::Value(text) = key.fallback {
                layer.set(key, text, Origin::Default);
            }
        }
        layer
    }

    /// Sets a key.
    pub(crate) fn set(&mut self, key: &Key, text: impl Into<String>, origin: Origin) {
        self.values.insert(key.path, Written { text: text.into(), origin });
    }

    fn get(&self, path: &str) -> Option<&Written> {
        self.values.get(path)
    }
}

/// Hands the layer to the crate `config`; the origin is the name of the layer, which keeps
/// the exact place itself.
impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let name = self.name.to_owned();
        let value = |written: &Written| Value::new(Some(&name), written.text.as_str());
        Ok(self.values.iter().map(|(path, written)| ((*path).to_owned(), value(written))).collect())
    }
}

/// The values that hold, by dotted path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effective(BTreeMap<&'static str, Written>);

impl Effective {
    /// Stacks the layers, the weakest first.
    pub(crate) fn of(layers: &[&Layer]) -> Self {
        let stacked = layers
            .iter()
            .fold(config::Config::builder(), |builder, layer| builder.add_source((*layer).clone()))
            .build()
            .expect("layers are flat maps of text under known keys");
        let winner = |path: &str| {
            let value = lookup(&stacked.cache, path)?;
            let layer = layers.iter().find(|layer| Some(layer.name) == value.origin())?;
            layer.get(path).cloned()
        };
        Self(KEYS.iter().filter_map(|key| Some((key.path, winner(key.path)?))).collect())
    }

    /// The value of a key, if it has one.
    pub(crate) fn get(&self, path: &str) -> Option<&Written> {
        self.0.get(path)
    }

    /// Replaces the value of a key.
    pub(crate) fn set(&mut self, key: &Key, written: Written) {
        self.0.insert(key.path, written);
    }

    /// The value of a key, if someone wrote it.
    pub(crate) fn written(&self, path: &str) -> Option<&Written> {
        self.get(path).filter(|written| written.origin != Origin::Default)
    }

    /// Where the values were written.
    pub(crate) fn origins(&self) -> Origins {
        Origins(self.0.iter().map(|(path, written)| (*path, written.origin.clone())).collect())
    }
}

/// The value at a dotted path, with its origin, which the getters of the crate drop.
fn lookup<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(root, |value, word| {
        if let ValueKind::Table(table) = &value.kind { table.get(word) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::{Effective, Layer};
    use crate::config::keys::{Found, Key, find};
    use crate::config::origin::Origin;

    fn key(path: &str) -> &'static Key {
        let Found::Key(key) = find(path) else { panic!("{path} is unknown") };
        key
    }

    #[test]
    fn the_last_layer_wins_key_by_key() {
        let mut lower = Layer::new("lower");
        lower.set(key("milvus.address"), "1.10", Origin::Environment("A".to_owned()));
        lower.set(key("state"), "0123", Origin::Environment("B".to_owned()));
        let mut upper = Layer::new("upper");
        upper.set(key("milvus.address"), "on", Origin::Environment("C".to_owned()));
        let effective = Effective::of(&[&Layer::defaults(), &lower, &upper]);

        for (path, text, origin) in [
            ("milvus.address", "on", "environment C"),
            ("state", "0123", "environment B"),
            ("log.level", "info", "default"),
        ] {
            let written = effective.get(path).unwrap();
            assert_eq!(
                (written.text.as_str(), written.origin.to_string().as_str()),
                (text, origin)
            );
        }
        assert!(effective.get("milvus.cluster").is_none());
        assert_eq!(effective.origins().of("milvus.cluster"), &Origin::Default);
    }
}
