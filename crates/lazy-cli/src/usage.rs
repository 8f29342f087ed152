//! Tips for arguments that other programs have.

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::arguments::Arguments;

/// Parses the command line. If it makes no sense, the program ends with exit code 2.
pub(crate) fn parse() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|mut error| {
        if let Some(tip) = tip(&error) {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            // A similarly spelled argument means something else.
            error.remove(ContextKind::SuggestedArg);
        }
        error.exit()
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
            Some("to replace what is there, use '--replace'")
        }
        ("--continue" | "-c", _) => Some("to resume a write that ended early, use '--resume'"),
        ("--axis <AXIS>", Some("0")) => {
            Some("what NumPy computes with axis=0, a value for each column, is '--axis columns'")
        }
        ("--axis <AXIS>", Some("1" | "-1")) => {
            Some("what NumPy computes with axis=1, a value for each row, is '--axis rows'")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_arguments_have_tips_that_work() {
        let store = ["lazy", "store", "a.npy", "-o", "a.zarr"];
        let reduce = ["lazy", "reduce", "a.npy", "--stats", "mean"];
        for (command, wrong, tip_says, right) in [
            (&store, &["--overwrite"][..], "--replace", &["--replace"][..]),
            (&store, &["--force"], "--replace", &["--replace"]),
            (&store, &["-f"], "--replace", &["--replace"]),
            (&store, &["--continue"], "--resume", &["--resume"]),
            (&reduce, &["--axis", "0"], "--axis columns", &["--axis", "columns"]),
            (&reduce, &["--axis", "1"], "--axis rows", &["--axis", "rows"]),
        ] {
            let parse = |more: &[&str]| Arguments::try_parse_from([&command[..], more].concat());
            let error = parse(wrong).unwrap_err();
            assert!(tip(&error).unwrap().contains(tip_says), "{error}");
            assert!(parse(right).is_ok());
        }
        let other = Arguments::try_parse_from(["lazy", "store", "--colour"]).unwrap_err();
        assert_eq!(tip(&other), None);
    }
}
