//! Features alone and together.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::libtorch;

/// Packages and their features. Every subset is built.
const FEATURES: [(&str, &[&str]); 4] = [
    ("lazy-core", &["conformance"]),
    ("lazy-zarr", &["conformance"]),
    ("lazy-tch", &["tch"]),
    ("lazy-chunks", &["zarr", "tch", "indicatif", "conformance"]),
];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    libtorch::provide(shell)?;
    for (package, features) in FEATURES {
        for subset in 0..1_u32 << features.len() {
            let chosen: Vec<_> = features
                .iter()
                .enumerate()
                .filter(|(i, _)| subset >> i & 1 == 1)
                .map(|(_, feature)| *feature)
                .collect();
            let chosen = chosen.join(",");
            cmd!(shell, "cargo clippy --package {package} --all-targets --no-default-features")
                .args(["--features", &chosen, "--", "-D", "warnings"])
                .run()?;
        }
    }
    // What the facade has without a backend, and what only a feature of its own has.
    cmd!(shell, "cargo test --package lazy-chunks --no-default-features --doc").run()?;
    let test = cmd!(shell, "cargo test --package lazy-chunks --no-default-features");
    Ok(test.args(["--features", "indicatif"]).run()?)
}
