//! All that a change has to pass.

use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{
    bench, crash, dependencies, example, features, fuse, interop, layering, libtorch, outside,
    program, properties, tidy,
};

type Step = (&'static str, fn(&Shell) -> Result<()>);

const STEPS: [Step; 17] = [
    ("formatting", |shell| {
        cmd!(shell, "cargo fmt --all --check").run()?;
        outside::check_formatting(shell)
    }),
    ("libtorch", libtorch::provide),
    ("lints", |shell| {
        // The step "features" looks at what there is without libtorch.
        let clippy = cmd!(shell, "cargo clippy --workspace --all-targets --features tch");
        Ok(clippy.args(["--", "-D", "warnings"]).run()?)
    }),
    ("layering", layering::run),
    ("dependencies", dependencies::run),
    ("tidy", tidy::run),
    ("features", features::run),
    ("tests", |shell| {
        // The properties have a step of their own, with optimization and more cases.
        let _cases = shell.push_env("PROPTEST_CASES", "32");
        let slow = [
            "every_small_case_agrees",
            "memory_stays_below_its_bound",
            "memory_does_not_grow_with_the_length",
            "the_target_is_the_old_array_or_the_new",
        ];
        let slow = slow.map(|test| ["--skip", test]);
        let slow = slow.as_flattened();
        let test = cmd!(shell, "cargo test --workspace --features tch --no-fail-fast");
        Ok(test.arg("--").args(slow).run()?)
    }),
    ("documentation", |shell| {
        let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
        let features = "lazy-chunks/indicatif,lazy-chunks/conformance,lazy-chunks/tch";
        let doc = cmd!(shell, "cargo doc --workspace --features {features} --no-deps");
        Ok(doc.arg("--document-private-items").run()?)
    }),
    ("example", example::run),
    ("interop", interop::run),
    ("program", program::run),
    ("fuse", fuse::run),
    ("crash", |shell| crash::run(shell, None, None)),
    ("properties", |shell| properties::run(shell, None)),
    ("outside", outside::run),
    ("benchmark", bench::try_out),
];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let start = Instant::now();
    // Everything is built once. So it need not be ready to be built again, nor to be debugged.
    let _incremental = shell.push_env("CARGO_INCREMENTAL", "0");
    let _debug = shell.push_env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    for (name, step) in STEPS {
        println!("\n=== {name} ({} s)", start.elapsed().as_secs());
        step(shell).with_context(|| format!("the step {name:?} failed"))?;
    }
    println!("\n=== all {} steps passed ({} s)", STEPS.len(), start.elapsed().as_secs());
    Ok(())
}
