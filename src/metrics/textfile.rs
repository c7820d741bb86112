//! The same set as a file, for `node_exporter`'s textfile collector.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Metrics;

/// Everyone may read figures.
const READABLE: u32 = 0o644;

/// Replaces `file`, which the collector reads if its name ends in `.prom`.
///
/// The file is there whole or not at all. It is without the families of the process: the
/// exporter has its own of these names, and would report neither.
pub fn write_textfile(metrics: &Metrics, file: &Path) -> io::Result<()> {
    let mut temporary = OsString::from(file);
    temporary.push(format!(".{}", std::process::id()));
    let written = fs::write(&temporary, metrics.render_families())
        // The exporter is another user, whom the umask of a service would shut out.
        .and_then(|()| fs::set_permissions(&temporary, Permissions::from_mode(READABLE)))
        .and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        // Where nothing can be written there may be nothing to remove.
        drop(fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{Metrics, write_textfile};

    #[test]
    fn the_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("milvus.prom");
        std::fs::write(&file, "old").unwrap();
        write_textfile(&Metrics::default(), &file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("milvus_backup_build_info{"), "{text}");
        assert!(!text.contains("process_"), "{text}");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_textfile(&Metrics::default(), &folder.path().join("no/x.prom")).is_err());
    }
}
