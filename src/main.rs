//! The process: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    milvus_backup_agent::cli::main()
}
