//! The options of the input.

use std::ffi::OsString;

use lazy_chunks::zarr::StoreOptions;

use super::location;
use crate::arguments;
use crate::failure::{Failure, Result};
use crate::input::{InputOptions, Origin, Paths, Selection};

/// Makes the options from the command line, and checks them.
pub(super) fn options(arguments: arguments::Input, stores: &StoreOptions) -> Result<InputOptions> {
    let selection = Selection::new(arguments.select.as_deref())
        .map_err(|error| Failure::Usage(format!("the pattern of --select is invalid: {error}")))?;
    let is_standard_input = |input: &OsString| input == "-";
    let origin = if let Some(command) = arguments.from_command {
        Origin::Command(command)
    } else if !arguments.inputs.iter().any(is_standard_input) {
        let inputs = arguments.inputs.into_iter().map(|input| location(input, stores));
        let paths = inputs.collect::<Result<_>>()?;
        Origin::Paths(Paths { paths, sort: arguments.sort, selection })
    } else if arguments.inputs.len() == 1 {
        Origin::StandardInput
    } else {
        let problem = "standard input (`-`) cannot be joined with other inputs";
        return Err(Failure::Usage(problem.to_owned()));
    };
    if origin.is_stream() {
        if arguments.select.is_some() {
            let problem = "--select chooses arrays of .npz and .safetensors files, and the input \
                           is a stream";
            return Err(Failure::Usage(problem.to_owned()));
        }
        if arguments.sort {
            let problem = "--sort orders files and arrays by name, and the input is a stream";
            return Err(Failure::Usage(problem.to_owned()));
        }
    }
    Ok(InputOptions {
        origin,
        rows: arguments.rows,
        blocks: arguments.blocks,
        n_columns: arguments.grid,
        stack: arguments.stack,
        keeps_blocks: false,
        n_threads: arguments.threads,
    })
}
