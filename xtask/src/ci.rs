//! All that a change has to pass.

use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Cmd, Shell, cmd};

use crate::{bench, dependencies, features, lanes, layering, libtorch, outside, tests, tidy};

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
    /// Adds the arguments that choose the members of the workspace, their features and a profile.
    fn select(self, command: Cmd<'_>) -> Cmd<'_> {
        match self {
            Quick => command.arg("--workspace"),
            Full => command.args(["--workspace", "--features", "tch", "--release"]),
        }
    }
}

/// Variables of a full run. Everything is built in one profile, with optimization enough for the tests
/// that need it, and with assertions and checks of overflow.
const VARIABLES: [(&str, &str); 4] = [
    // Everything is built once.
    ("CARGO_INCREMENTAL", "0"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
];

/// A name, the least extent of CI that has the step, and what it runs.
type Step = (&'static str, Extent, fn(&Shell, Extent) -> Result<()>);

const STEPS: [Step; 11] = [
    ("formatting", Quick, |shell, _| {
        cmd!(shell, "cargo fmt --all --check").run()?;
        outside::check_formatting(shell)
    }),
    ("layering", Quick, |shell, _| layering::run(shell, false)),
    ("tidy", Quick, |shell, _| tidy::run(shell)),
    ("libtorch", Full, |shell, _| libtorch::provide(shell)),
    ("lints", Quick, |shell, extent| {
        // The step "features" checks what is compiled without libtorch.
        let clippy = extent.select(cmd!(shell, "cargo clippy --all-targets"));
        Ok(clippy.args(["--", "-D", "warnings"]).run()?)
    }),
    ("dependencies", Full, |shell, _| dependencies::run(shell)),
    ("features", Full, |shell, _| features::run(shell)),
    ("tests", Quick, |shell, extent| match extent {
        Quick => {
            let _cases = shell.push_env("PROPTEST_CASES", "32");
            tests::run(shell, &["--workspace"])
        }
        Full => {
            let _cases = shell.push_env("PROPTEST_CASES", "128");
            tests::run_all(shell)
        }
    }),
    ("documentation", Quick, |shell, extent| {
        let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
        let features = "lazy-chunks/indicatif,lazy-chunks/conformance";
        let doc = cmd!(shell, "cargo doc --no-deps --document-private-items --features {features}");
        Ok(extent.select(doc).run()?)
    }),
    ("lanes", Full, |shell, _| lanes::run(shell)),
    ("benchmark", Full, |shell, _| bench::try_out(shell)),
];

pub(crate) fn run(shell: &Shell, is_quick: bool) -> Result<()> {
    let extent = if is_quick { Quick } else { Full };
    let _variables =
        (extent == Full).then(|| VARIABLES.map(|(name, value)| shell.push_env(name, value)));
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
