//! `lazy store`.

mod earlier;
mod report;
mod sink;
mod target;
mod worker;

use std::time::Instant;

use lazy_chunks::MemoryLimit;
use lazy_chunks::zarr::{Existing, StoredArray};

use crate::failure::{Failure, Result};
use crate::input::{Input, Origin};
use crate::options::Store;
use crate::print;
use crate::progress::Display;
use crate::statistics::Form;
use report::Outcome;

pub(crate) fn run(options: &Store) -> Result<()> {
    let target = target::target(options);
    if let Some(sharing) = &options.sharing {
        return worker::run(options, sharing, &target);
    }
    earlier::check(options, &target)?;
    let replace = options.existing == Existing::Replace;
    let present = StoredArray::open(target.clone()).ok();
    let is_complete = options.existing == Existing::Fail && present.is_some();
    if is_complete && !options.earlier_write.is_resumed() {
        return Err(Failure::Exists(options.output.clone()));
    }
    if !options.report.quiet && target::locks_end_here(&options.output) {
        print::note(format_args!(
            "the file system of {} does not share locks with other machines: do not write this \
             array from another machine at the same time",
            options.output
        ));
    }
    let (reducers, plan) = options.stats.plan(Form::WHOLE).map_err(Failure::Usage)?;
    let reducers = MemoryLimit::new(options.memory_limit, reducers);

    let mut input = Input::open(&options.input, plan.needs_whole_rows())?;
    let from_pipe = matches!(options.input.origin, Origin::StandardInput);
    if from_pipe && replace && !options.allow_fewer_rows {
        // A producer that failed between two records looks like one that is done.
        if let Some(replaced) = &present {
            input.refuse_fewer_rows(replaced.shape().first().copied().unwrap_or(0));
        }
    }
    if !options.report.quiet {
        input.sources().notes().iter().for_each(print::note);
    }
    let appended_to = present.filter(|_| options.existing == Existing::Append);
    let sink = sink::sink(options, target.clone(), &input, appended_to.is_none())?;
    let display = Display::new(options.report.quiet);
    let (blocks, inert_sink) = (input.shape_of_blocks(), sink.clone());
    let bound = move || sink::memory_bound(&inert_sink, blocks.get()?);
    let watcher = display.of_pass(input.n_blocks(), bound);
    let started = Instant::now();
    let ended = input.compute((reducers, sink), watcher);
    display.clear();
    let (found, stored) =
        ended.map_err(|error| earlier::ended_early(error.into(), options, &target, is_complete))?;

    let answers = plan.answers(&found);
    drop(found);
    if !options.report.quiet {
        input.later_note().into_iter().for_each(print::note);
    }
    let n_rows_before = appended_to.map(|array| array.shape().first().copied().unwrap_or(0));
    let n_rows = stored.shape().first().copied().unwrap_or(0);
    let outcome = match n_rows_before {
        _ if is_complete => Outcome::Found,
        Some(before) if before == n_rows => Outcome::RowsFound,
        Some(before) => {
            Outcome::Appended { n_rows: n_rows.saturating_sub(before), seconds: started.elapsed() }
        }
        None => Outcome::Stored { seconds: started.elapsed() },
    };
    report::print((options, &target), (&input, &stored), Some(&answers), outcome)
        .map_err(|failure| failure.after_storing(&options.output))
}
