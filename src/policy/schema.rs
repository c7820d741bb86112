//! The table of keys as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::keys::{POLICY_KEYS, PolicyKey, PolicyKind, Special};

/// The schema of a policy file; `policies/schema.json` is its text.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for key in POLICY_KEYS {
        let (section, word) = match key.path.split_once('.') {
            Some((section, word)) => (Some(section), word),
            None => (None, key.path),
        };
        let keys = match section {
            None => &mut properties,
            Some(section) => {
                properties.entry(section).or_insert_with(|| object(&Map::new()))["properties"]
                    .as_object_mut()
                    .expect("an object has properties")
            }
        };
        keys.insert(word.to_owned(), of(key));
    }
    let only = |key: &str| json!({"required": [key]});
    let zone = json!({"required": ["timezone"], "maxProperties": 1});
    properties["schedule"]["oneOf"] = json!([only("cron"), only("every"), zone]);
    properties["retention"]["minProperties"] = json!(1);
    let mut root = object(&properties);
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("A policy of milvus-backup-agent");
    root["required"] = json!(["retention"]);
    root
}

fn object(properties: &Map<String, Value>) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn of(key: &PolicyKey) -> Value {
    let text = || json!({"type": "string", "minLength": 1});
    let mut value = match key.kind {
        PolicyKind::Name => json!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"}),
        PolicyKind::Globs => json!({"type": "array", "minItems": 1, "items": text()}),
        PolicyKind::Cron | PolicyKind::Zone | PolicyKind::Duration => text(),
        PolicyKind::Count(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        PolicyKind::Word(["true", "false"]) => json!({"type": "boolean"}),
        PolicyKind::Word(words) => json!({"enum": words}),
        PolicyKind::Words(words) => json!({"type": "array", "items": {"enum": words}}),
    };
    let none = if key.special == Special::OrNone { ", or `none`" } else { "" };
    value["description"] = json!(format!("{}{none} [{}]", key.help, key.default_text()));
    value
}
