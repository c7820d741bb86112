//! Stars in the place of secrets, for lines that people are shown.

use std::collections::{BTreeSet, HashSet};

use super::diagnostic::lines;
use super::{Position, YamlNode, YamlValue};

/// Whether the value of a key of this name is a secret, whatever the key is for.
fn is_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_lowercase();
    let sounds = ["secret", "password", "token", "accesskey", "credential"];
    // The address of a broker holds its password.
    plain == "url" || sounds.iter().any(|sound| plain.contains(sound)) && !plain.ends_with("file")
}

/// The text of a document whose secrets are stars. Lines and columns stay what they are.
pub(super) fn mask(text: &str, root: &YamlNode) -> String {
    let mut places = Places::default();
    places.collect(root, false);
    if places.secret.is_empty() {
        return text.to_owned();
    }
    let mut hides = false;
    let mut shown = String::with_capacity(text.len());
    for (number, line) in lines(text).enumerate() {
        if number > 0 {
            shown.push('\n');
        }
        for (column, c) in line.chars().enumerate() {
            let position = Position { line: number + 1, column: column + 1 };
            if places.all.contains(&position) {
                hides = places.secret.contains(&position);
            }
            shown.push(if hides && !c.is_whitespace() { '*' } else { c });
        }
    }
    shown
}

/// The same for a text that cannot be parsed: what follows a colon on the line of such a key.
pub(super) fn mask_lines(text: &str) -> String {
    let masked = lines(text).map(|line| match line.split_once(':') {
        Some((key, value)) if is_secret(key) || is_secret(line) || line.contains("amqp") => {
            format!("{key}:{}", stars(value))
        }
        _ => line.to_owned(),
    });
    masked.collect::<Vec<_>>().join("\n")
}

fn stars(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect()
}

/// Where keys and values start; a secret reaches to the next start.
#[derive(Default)]
struct Places {
    all: BTreeSet<Position>,
    secret: BTreeSet<Position>,
    /// Nodes that were here, which aliases may name any number of times.
    seen: HashSet<(usize, bool)>,
}

impl Places {
    fn collect(&mut self, node: &YamlNode, secret: bool) {
        if !self.seen.insert((std::ptr::from_ref(node).addr(), secret)) {
            return;
        }
        self.all.insert(node.position);
        match &node.value {
            YamlValue::Null => {}
            YamlValue::Scalar(_) => {
                if secret {
                    self.secret.insert(node.position);
                }
            }
            YamlValue::List(items) => {
                for item in items {
                    self.collect(item, secret);
                }
            }
            YamlValue::Map(entries) => {
                for entry in entries {
                    self.all.insert(entry.position);
                    self.collect(&entry.value, secret || is_secret(&entry.key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::model::{Position, YamlDocument};

    fn line(text: &str, line: usize) -> String {
        let document = YamlDocument::parse(Path::new("/a"), text.as_bytes()).unwrap();
        document.line(Position { line, column: 1 }).text
    }

    #[test]
    fn secrets_are_stars_and_nothing_moves() {
        let text = "a: {secret_acess_key: \"hunter2\", b: 1}\npassword: |\n  hunter\n  2\nc: 3\n";
        assert_eq!(line(text, 1), "a: {secret_acess_key: ********** b: 1}");
        assert_eq!(line(text, 3), "  ******");
        assert_eq!(line(text, 4), "  *");
        assert_eq!(line(text, 5), "c: 3");
        assert_eq!(line("a: 1\rpassword: hunter2\r", 2), "password: *******");
        assert_eq!(line("secret_access_key_file: /a\n", 1), "secret_access_key_file: /a");
        let text = "amqp: {queue: a, url: \"amqp://a:b@c\"}\n";
        assert_eq!(line(text, 1), "amqp: {queue: a, url: ***************");
    }

    #[test]
    fn a_text_that_is_no_yaml_hides_them_too() {
        for text in [
            "secretAccessKey: hunter2: x\n",
            "  url: amqp://a:hunter2@b: x\n",
            "amqp: {url: 'amqp://a:hunter2@b': x: y\n",
        ] {
            let problem = YamlDocument::parse(Path::new("/a"), text.as_bytes()).unwrap_err();
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
}
