//! `lazy store --workers`: a worker that stores a part of the array.

use std::fmt;
use std::time::Instant;

use lazy_chunks::zarr::{self, StoredArray, Target};
use lazy_chunks::{Holder, MemoryLimit, PartReport, PlanStatus};
use serde::Serialize;
use serde_json::Value;

use super::report::{self, Outcome};
use super::target::locks_end_here;
use super::{earlier, sink};
use crate::commands::shared;
use crate::count::count;
use crate::failure::{Failure, Result};
use crate::input::{End, Input};
use crate::options::{Sharing, Store};
use crate::print;
use crate::progress::{Display, Parts};
use crate::statistics::Form;
use crate::stop;

/// What this worker has computed.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    worker: String,
    #[serde(rename = "parts")]
    n_parts: usize,
    #[serde(rename = "computed_parts")]
    n_computed: usize,
    #[serde(rename = "computed_blocks")]
    n_blocks: usize,
}

impl Done {
    fn new(sharing: &Sharing, n_parts: usize, computed: &[PartReport]) -> Done {
        Done {
            worker: sharing.worker.to_string(),
            n_parts,
            n_computed: computed.len(),
            n_blocks: computed.iter().map(|report| report.n_blocks).sum(),
        }
    }

    /// Returns true if this worker has computed all parts.
    pub(super) fn is_all(&self) -> bool {
        self.n_computed == self.n_parts
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.n_computed == 0
    }
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, blocks) = (count(self.n_parts, "part"), count(self.n_blocks, "block"));
        write!(formatter, "this worker computed {} of {parts} ({blocks})", self.n_computed)
    }
}

pub(super) fn run(options: &Store, sharing: &Sharing, target: &Target) -> Result<()> {
    let display = Display::new(options.report.quiet);
    let parts = Parts::new(&display);
    work(options, sharing, target, &display, &parts).map_err(|failure| {
        display.clear();
        ended_early(failure, (options, target), parts.finished().len())
    })
}

fn work(
    options: &Store,
    sharing: &Sharing,
    target: &Target,
    display: &Display,
    parts: &Parts,
) -> Result<()> {
    let started = Instant::now();
    if !options.report.quiet {
        print::note(&sharing.worker);
        if !sharing.worker.is_alone() && locks_end_here(&options.output) {
            print::note(format_args!(
                "the file system of {} does not share locks with other machines, so each worker \
                 computes its own parts only",
                options.output
            ));
        }
    }
    let (reducers, plan) = options.stats.plan(Form::WHOLE).map_err(Failure::Usage)?;
    let reducers = MemoryLimit::new(options.memory_limit, reducers);
    let input = Input::open(&options.input, plan.needs_whole_rows())?;
    if !options.report.quiet {
        input.sources().notes().iter().for_each(print::note);
    }
    let sink = sink::sink(options, target.clone(), &input, true)?;
    let (blocks, inert_sink) = (input.shape_of_blocks(), sink.clone());
    let bound = move || sink::memory_bound(&inert_sink, blocks.get()?);
    let watcher = display.of_pass(input.n_blocks(), bound);
    let needs_statistics = !options.stats.texts().is_empty();
    let worked = input.work(
        (reducers, sink, parts.clone()),
        (&sharing.worker, sharing.n_parts),
        needs_statistics,
        watcher,
    )?;
    display.clear();

    let done = Done::new(sharing, worked.n_parts, &parts.finished());
    let published = |(found, stored, ()): (Vec<_>, StoredArray, ())| (plan.answers(&found), stored);
    let (answers, stored, outcome) = match worked.end {
        End::Remaining(status) => {
            return print_remaining((options, target), &done, &status, started);
        }
        End::Published(output) => {
            let (answers, stored) = published(output);
            let outcome = Outcome::Published { done: &done, seconds: started.elapsed() };
            (Some(answers), stored, outcome)
        }
        End::Complete(Some(output)) => {
            let (answers, stored) = published(output);
            (Some(answers), stored, Outcome::Complete { done: &done })
        }
        End::Complete(None) => {
            if needs_statistics && !options.report.quiet {
                print::note(
                    "statistics are printed by the worker that publishes the array; `lazy reduce` \
                     computes them again",
                );
            }
            let answers = (!needs_statistics).then(Vec::new);
            (answers, StoredArray::open(target.clone())?, Outcome::Complete { done: &done })
        }
    };
    report::print((options, target), (&input, &stored), answers.as_deref(), outcome)
        .map_err(|failure| failure.after_storing(&options.output))
}

/// Prints what remains for other workers.
fn print_remaining(
    (options, target): (&Store, &Target),
    done: &Done,
    status: &PlanStatus,
    started: Instant,
) -> Result<()> {
    if !options.report.quiet {
        let seconds = started.elapsed();
        print::note(format_args!("{done} of {target} in {seconds:.1?}; {status}"));
        shared::workers(status.taken()).for_each(|line| print::note(format_args!("  {line}")));
    }
    if !options.report.json {
        return Ok(());
    }
    print::json(&Remaining {
        outcome: "remaining",
        done,
        path: &options.output.to_string(),
        array: options.array.as_deref(),
        finished_parts: status.finished().len(),
        workers: shared::workers_json(status.taken()),
        publisher: status.finisher().map(Holder::name),
    })
}

/// The JSON for programs, with fields in this order.
#[derive(Serialize)]
struct Remaining<'a> {
    outcome: &'a str,
    #[serde(flatten)]
    done: &'a Done,
    path: &'a str,
    array: Option<&'a str>,
    finished_parts: usize,
    /// The parts that other workers compute.
    workers: Value,
    /// The process that publishes the array.
    publisher: Option<&'a str>,
}

/// Returns the failure of the command, given the failure of its work.
fn ended_early(
    failure: Failure,
    (options, target): (&Store, &Target),
    n_finished: usize,
) -> Failure {
    if failure.is_of_published_array() || matches!(failure, Failure::AfterStoring { .. }) {
        return failure;
    }
    let output = options.output.clone();
    let shared = earlier::progress_of_workers(target);
    if failure.is_cancelled() || stop::is_asked_for() {
        let kept = match shared {
            Some(progress) => format!(
                "this worker has finished {}; {progress}; the stored parts and chunks are kept: \
                 continue with the same command",
                count(n_finished, "part"),
            ),
            None => "nothing was stored".to_owned(),
        };
        return Failure::StoppedWorker(format!("stopped; {output} is unchanged; {kept}"));
    }
    match failure {
        Failure::Zarr(error) if error.kind() == zarr::ErrorKind::ResumeMismatch => {
            Failure::OtherPlan(error)
        }
        Failure::Usage(_) | Failure::Output(_) => failure,
        failure if shared.is_some() && !failure.is_of_target() => {
            Failure::KeptParts { output, failure: Box::new(failure) }
        }
        failure => failure,
    }
}
