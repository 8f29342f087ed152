//! Tips for arguments that other programs have.

use std::ffi::OsString;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use super::Arguments;

/// Parses the command line. The error is a message, which may be the help.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(arguments).map_err(|mut error| {
        if let Some(tip) = tip(&error) {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            // clap would suggest a similarly spelled argument, which means something else.
            error.remove(ContextKind::SuggestedArg);
        }
        error
    })
}

fn tip(error: &clap::Error) -> Option<&'static str> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg)?;
    match (argument, text(ContextKind::InvalidValue)) {
        ("--overwrite" | "--force" | "-f" | "--clobber" | "--exist-ok", _) => {
            Some("to replace existing data, use '--replace'")
        }
        ("--continue" | "-c", _) => Some("to continue an interrupted write, use '--resume'"),
        ("--axis <AXIS>", Some("0")) => {
            Some("for axis=0 of NumPy, a value for each column, use '--axis columns'")
        }
        ("--axis <AXIS>", Some("1" | "-1")) => {
            Some("for axis=1 of NumPy, a value for each row, use '--axis rows'")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_other_programs_have_tips_that_work() {
        let store = ["lazy", "store", "a.npy", "-o", "a.zarr"];
        let reduce = ["lazy", "reduce", "a.npy", "--stats", "mean"];
        for (command, wrong, expected, right) in [
            (&store, &["--overwrite"][..], "--replace", &["--replace"][..]),
            (&store, &["--force"], "--replace", &["--replace"]),
            (&store, &["-f"], "--replace", &["--replace"]),
            (&store, &["--continue"], "--resume", &["--resume"]),
            (&reduce, &["--axis", "0"], "--axis columns", &["--axis", "columns"]),
            (&reduce, &["--axis", "1"], "--axis rows", &["--axis", "rows"]),
        ] {
            let parse = |more: &[&str]| Arguments::try_parse_from([&command[..], more].concat());
            let error = parse(wrong).unwrap_err();
            assert!(tip(&error).unwrap().contains(expected), "{error}");
            assert!(parse(right).is_ok());
        }
        let other = Arguments::try_parse_from(["lazy", "store", "--colour"]).unwrap_err();
        assert_eq!(tip(&other), None);
    }
}
