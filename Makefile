# Everything here runs on Debian 12 with Rust, gcc and make; the rest is installed when it is missing.
.PHONY: demo test check soak deny
.DEFAULT_GOAL := test

# A real Milvus: back up, change 1 %, back up, drop, restore, compare; then the agent, through a failure.
demo:
	tests/lab/demo.sh

# Everything; starts its servers itself. The integration tests come last, with their summary. Most
# of them wait for a server: four at once take half the time on two cores.
test: check
	tests/lab/setup.sh
	cargo test --locked --doc
	cargo test --locked --tests -- --test-threads=4

# What needs no server: form, lints, documentation.
check:
	cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	cargo fmt --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo clippy --locked --all-targets --features soak -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

# The long runs.
soak:
	tests/lab/setup.sh
	tests/fuzz/run.sh 600
	MBA_SEEDS=20 cargo test --locked --test it -- --nocapture --test-threads=1 s3::stormy
	cargo test --locked --features soak --test soak -- --nocapture --test-threads=1 --skip histories
	cargo test --locked --release --features soak --test soak -- --nocapture histories

# Crates that must not come in, licenses, sources.
deny:
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --config .deny.toml check bans licenses sources
