//! `lazy reduce`.

use std::time::Instant;

use indicatif::HumanBytes;
use lazy_chunks::MemoryLimit;

use crate::answers::{self, Group};
use crate::count::count;
use crate::failure::{Failure, Result};
use crate::input::Input;
use crate::options::Reduce;
use crate::print;
use crate::progress::Display;
use crate::statistics::Answer;
use crate::stop;

pub(crate) fn run(options: &Reduce) -> Result<()> {
    let (reducers, plan) = options.stats.plan(options.form).map_err(|problem| {
        Failure::Usage(format!("{problem}; leave out --axis and --ignore-nan"))
    })?;
    let reducers = MemoryLimit::new(options.memory_limit, reducers);
    let mut group = options.output.as_ref().map(|output| Group::new(output, options.replace));
    if let Some(group) = &group {
        group.check(&options.stats.texts())?;
    }

    let input = Input::open(&options.input, plan.needs_whole_rows())?;
    if !options.report.quiet {
        input.sources().notes().iter().for_each(print::note);
    }
    group = group.map(|group| group.with_dims(input.dimension_names()));
    let display = Display::new(options.report.quiet);
    let watcher = display.of_pass(input.n_blocks(), || None);
    let started = Instant::now();
    let ended = input.compute(reducers, watcher);
    display.clear();
    let found = ended.map_err(|error| {
        let failure = Failure::from(error);
        if failure.is_cancelled() || stop::is_asked_for() {
            Failure::Stopped("stopped before the statistics were complete".to_owned())
        } else {
            failure
        }
    })?;

    let answers = plan.answers(&found);
    // Arrays that are in no answer.
    drop(found);
    // Results are stored first, since printing may end early when the reader closes the pipe.
    let stored = group.as_ref().map_or(Ok(()), |group| group.store(&answers));
    if !options.report.quiet {
        input.later_note().into_iter().for_each(print::note);
        let (seconds, pass) = (started.elapsed(), display.last());
        let rate = pass.bytes as f64 / seconds.as_secs_f64().max(1e-9);
        print::note(format_args!(
            "reduced {}{}, {}, in {seconds:.1?}, {}/s",
            count(pass.blocks, "block"),
            input.sources().summary(),
            HumanBytes(pass.bytes),
            HumanBytes(rate as u64),
        ));
    }
    // Long results, which may be millions of numbers, are printed only if they are not stored.
    let printed: Vec<_> = if group.is_none() || stored.is_err() {
        answers
    } else {
        answers.into_iter().filter(Answer::is_short).collect()
    };
    if printed.is_empty() {
        return stored;
    }
    let printed = if options.report.json {
        print::json(&answers::Json(&printed))
    } else {
        print::result(answers::to_tables(&printed))
    };
    let of_stored = |failure: Failure| match &options.output {
        Some(output) => failure.after_storing(output),
        None => failure,
    };
    stored.and(printed.map_err(of_stored))
}
