//! The files of policies. What is in them is for `policy` to say.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::model::{Diagnostic, MAX_POLICY_BYTES, ReadFile};

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

/// Reads these files, whatever their names; of one that is too long, no more than shows it.
pub fn read_policy_files(files: impl IntoIterator<Item = PathBuf>) -> Vec<ReadFile> {
    let read = |file: PathBuf| {
        let content = start(&file);
        (file, content)
    };
    files.into_iter().map(read).collect()
}

fn start(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = u64::try_from(MAX_POLICY_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

fn is_policy(file: &Path) -> bool {
    let ending = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    ENDINGS.contains(&ending) && !hidden
}

#[cfg(test)]
mod tests {
    use super::{policy_files, read_policy_files};
    use crate::model::MAX_POLICY_BYTES;

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
        std::fs::write(folder.path().join("b.yml"), "#".repeat(1_000_000)).unwrap();
        let b = folder.path().join("b.yml");
        assert_eq!(read_policy_files([b])[0].1.as_ref().unwrap().len(), MAX_POLICY_BYTES + 1);
        let problem = policy_files(&folder.path().join("none")).unwrap_err().to_string();
        assert!(problem.contains("cannot be read: No such file") && problem.contains("`policies`"));
    }
}
