//! `lazy reduce`.

use lazy_chunks::Watch;

use crate::answers::{self, Group};
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
    let group = arguments.output.as_ref().map(|output| Group::new(output, arguments.replace));
    if let Some(group) = &group {
        group.check(&arguments.stats.texts())?;
    }

    let input = Input::open(&arguments.input, plan.needs_whole_rows())?;
    let display = Display::new(arguments.print.quiet);
    let watcher = display.of_pass(input.n_blocks(), || None);
    let ended = input.compute((reducers, Watch::new(watcher)));
    display.clear();
    let (found, ()) =
        ended.map_err(|failure| match failure.is_cancelled() || stop::is_asked_for() {
            true => Failure::Stopped("stopped; nothing was computed to its end".to_owned()),
            false => failure,
        })?;

    let answers = plan.answers(&found);
    if arguments.print.json {
        print::json(&answers::to_json(&answers))?;
    } else {
        print::result(answers::to_table(&answers))?;
    }
    // What cannot be stored has been printed.
    group.map_or(Ok(()), |group| group.store(&answers))
}
