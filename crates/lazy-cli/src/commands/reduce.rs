//! `lazy reduce`.

use std::time::Instant;

use indicatif::HumanBytes;
use lazy_chunks::{MemoryLimit, Watch};

use crate::answers::{self, Answer, Group};
use crate::arguments::Reduce;
use crate::failure::{Failure, Result};
use crate::input::Input;
use crate::print;
use crate::progress::Display;
use crate::statistics::Form;
use crate::stop;

pub(crate) fn run(arguments: &Reduce) -> Result<()> {
    let form = Form { axis: arguments.axis, ignore_nan: arguments.ignore_nan };
    let (reducers, plan) = arguments.stats.plan(form)?;
    let reducers = MemoryLimit::new(arguments.memory.bytes(), reducers);
    let mut group = arguments.output.as_ref().map(|output| Group::new(output, arguments.replace));
    if let Some(group) = &group {
        group.check(&arguments.stats.texts())?;
    }

    let input = Input::open(&arguments.input, plan.needs_whole_rows())?;
    if !arguments.print.quiet {
        input.sources().notes().iter().for_each(print::note);
    }
    group = group.map(|group| group.with_dims(input.dimension_names()));
    let display = Display::new(arguments.print.quiet);
    let watcher = display.of_pass(input.n_blocks(), || None);
    let started = Instant::now();
    let ended = input.compute((reducers, Watch::new(watcher)));
    display.clear();
    let (found, ()) =
        ended.map_err(|failure| match failure.is_cancelled() || stop::is_asked_for() {
            true => Failure::Stopped("stopped; nothing was computed to its end".to_owned()),
            false => failure,
        })?;

    let answers = plan.answers(&found);
    // What no answer is made of.
    drop(found);
    // Stored before they are printed: who reads the output may have read enough.
    let stored = group.as_ref().map_or(Ok(()), |group| group.store(&answers));
    if !arguments.print.quiet {
        input.later_note().into_iter().for_each(print::note);
        let (seconds, pass) = (started.elapsed(), display.last());
        let rate = pass.bytes as f64 / seconds.as_secs_f64().max(1e-9);
        print::note(format_args!(
            "reduced {} blocks{}, {}, in {seconds:.1?}, {}/s",
            pass.blocks,
            input.sources().summary(),
            HumanBytes(pass.bytes),
            HumanBytes(rate as u64),
        ));
    }
    // Matrices, rows and columns may be millions of numbers. Those that could not be stored are not lost.
    let printed: Vec<_> = if group.is_none() || stored.is_err() {
        answers
    } else {
        answers.into_iter().filter(Answer::is_short).collect()
    };
    if printed.is_empty() {
        return stored;
    }
    let printed = if arguments.print.json {
        print::json(&answers::Json(&printed))
    } else {
        print::result(answers::to_tables(&printed))
    };
    let of_stored = |failure: Failure| match &arguments.output {
        Some(output) => failure.after_storing(output),
        None => failure,
    };
    stored.and(printed.map_err(of_stored))
}
