//! All that a change has to pass.

use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{
    bench, dependencies, features, lanes, layering, libtorch, outside, properties, tests, tidy,
};

/// The extent of a CI run.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Extent {
    /// Steps of a few minutes, which need neither libtorch nor Python.
    Quick,
    /// All steps, with the feature `tch`.
    Full,
}

use Extent::{Full, Quick};

impl Extent {
    /// Returns the arguments that choose the members of the workspace and their features.
    fn selection(self) -> &'static [&'static str] {
        match self {
            Quick => &["--workspace"],
            Full => &["--workspace", "--features", "tch"],
        }
    }
}

/// A name, the least extent of CI that has the step, and what it runs.
type Step = (&'static str, Extent, fn(&Shell, Extent) -> Result<()>);

const STEPS: [Step; 12] = [
    ("formatting", Quick, |shell, _| {
        cmd!(shell, "cargo fmt --all --check").run()?;
        outside::check_formatting(shell)
    }),
    ("layering", Quick, |shell, _| layering::run(shell, false)),
    ("tidy", Quick, |shell, _| tidy::run(shell)),
    ("libtorch", Full, |shell, _| libtorch::provide(shell)),
    ("lints", Quick, |shell, extent| {
        // The step "features" checks what is compiled without libtorch.
        let clippy = cmd!(shell, "cargo clippy --all-targets").args(extent.selection());
        Ok(clippy.args(["--", "-D", "warnings"]).run()?)
    }),
    ("dependencies", Full, |shell, _| dependencies::run(shell)),
    ("features", Full, |shell, _| features::run(shell)),
    ("tests", Quick, |shell, extent| {
        // The step "properties" runs more cases, with optimization.
        let _cases = shell.push_env("PROPTEST_CASES", "32");
        tests::run(shell, extent.selection())
    }),
    ("documentation", Quick, |shell, extent| {
        let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
        let features = "lazy-chunks/indicatif,lazy-chunks/conformance";
        cmd!(shell, "cargo doc --no-deps --document-private-items --features {features}")
            .args(extent.selection())
            .run()
            .map_err(Into::into)
    }),
    ("lanes", Full, |shell, _| lanes::run(shell)),
    ("properties", Full, |shell, _| properties::run(shell, None)),
    ("benchmark", Full, |shell, _| bench::try_out(shell)),
];

pub(crate) fn run(shell: &Shell, is_quick: bool) -> Result<()> {
    let extent = if is_quick { Quick } else { Full };
    // In full, everything is built once, and need not be ready to be built again or debugged. The
    // quick steps share what `cargo test` builds.
    let _environment = (extent == Full).then(|| {
        let incremental = shell.push_env("CARGO_INCREMENTAL", "0");
        (incremental, shell.push_env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only"))
    });
    let start = Instant::now();
    let steps = STEPS.iter().filter(|(_, least, _)| extent == Full || *least == Quick);
    let mut n_steps = 0;
    for (name, _, step) in steps {
        println!("\n=== {name} ({} s)", start.elapsed().as_secs());
        step(shell, extent).with_context(|| format!("the step {name:?} failed"))?;
        n_steps += 1;
    }
    println!("\n=== all {n_steps} steps passed ({} s)", start.elapsed().as_secs());
    Ok(())
}
