//! The files of policies. What is in them is for `policy` to say.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Diagnostic, ReadFile};

/// What the names of policies end in.
const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// Reads every `*.yaml` and `*.yml` of the folder, by name. Hidden and other files are not
/// policies. A file that cannot be read is a problem among those of the others.
pub fn policy_files(folder: &Path) -> Result<Vec<ReadFile>, Diagnostic> {
    let unreadable = |error: io::Error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let remedy = if missing { "make the folder" } else { "make it readable for the agent" };
        Diagnostic::new(format!("the folder of policies cannot be read: {error}"))
            .in_place(folder.display().to_string())
            .hint(format!("{remedy}, or set `policies` in the configuration"))
    };
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let files = entries.map_err(unreadable)?.into_iter().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|file| is_policy(file)).collect();
    files.sort();
    Ok(read_policy_files(files))
}

/// Reads these files, whatever their names.
pub fn read_policy_files(files: impl IntoIterator<Item = PathBuf>) -> Vec<ReadFile> {
    let read = |file: PathBuf| {
        let content = std::fs::read(&file);
        (file, content)
    };
    files.into_iter().map(read).collect()
}

fn is_policy(file: &Path) -> bool {
    let ending = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    ENDINGS.contains(&ending) && !hidden
}

#[cfg(test)]
mod tests {
    use super::policy_files;

    #[test]
    fn only_policies_are_read_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", ".a.yaml", "a.yaml~", "schema.json", "..data.yaml"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::create_dir(folder.path().join("c.yaml")).unwrap();
        let files = policy_files(folder.path()).unwrap();
        let read: Vec<_> = files
            .iter()
            .map(|(file, content)| (file.file_name().unwrap().to_str().unwrap(), content.is_ok()))
            .collect();
        assert_eq!(read, [("a.yaml", true), ("b.yml", true), ("c.yaml", false)]);
        let problem = policy_files(&folder.path().join("none")).unwrap_err().to_string();
        assert!(problem.contains("cannot be read: No such file") && problem.contains("`policies`"));
    }
}
