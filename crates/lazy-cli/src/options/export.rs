//! The options of `lazy export`.

use std::path::{Path, PathBuf};

use lazy_chunks::zarr::StoreOptions;

use super::location;
use crate::arguments;
use crate::failure::{Failure, Result};
use crate::location::Location;
use crate::values::Span;

/// The options of `lazy export`.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) path: Location,
    pub(crate) destination: Destination,
    pub(crate) format: Format,
    pub(crate) rows: Span,
    pub(crate) columns: Span,
    pub(crate) quiet: bool,
}

/// The place that an array is exported to.
#[derive(Debug)]
pub(crate) enum Destination {
    StandardOutput,
    File { path: PathBuf, replace: bool },
}

/// The format that an array is exported in.
#[derive(Debug)]
pub(crate) enum Format {
    Npy,
    Safetensors {
        /// The name of the tensor.
        name: String,
    },
}

impl Export {
    /// Makes the options from the command line, and checks them.
    pub(super) fn new(arguments: arguments::Export, stores: &StoreOptions) -> Result<Export> {
        let format = format(&arguments.output, arguments.name)?;
        let destination = if arguments.output.as_os_str() == "-" {
            if arguments.replace {
                let problem = "--replace is for files, and the output is standard output";
                return Err(Failure::Usage(problem.to_owned()));
            }
            Destination::StandardOutput
        } else {
            Destination::File { path: arguments.output, replace: arguments.replace }
        };
        Ok(Export {
            path: location(arguments.path, stores)?,
            destination,
            format,
            rows: arguments.rows,
            columns: arguments.cols,
            quiet: arguments.quiet,
        })
    }
}

/// Returns the format that the name of a file asks for. Standard output gets a `.npy` record.
fn format(output: &Path, name: Option<String>) -> Result<Format> {
    let is_standard_output = output.as_os_str() == "-";
    match output.extension().and_then(|extension| extension.to_str()) {
        extension if is_standard_output || extension == Some("npy") => match name {
            None => Ok(Format::Npy),
            Some(_) => {
                let problem = "--name names the tensor of a .safetensors file, and the output is \
                               .npy, which has no names";
                Err(Failure::Usage(problem.to_owned()))
            }
        },
        Some("safetensors") if name.as_deref() == Some("__metadata__") => {
            let problem = "no tensor can have the name `__metadata__`, which the .safetensors \
                           format reserves";
            Err(Failure::Usage(problem.to_owned()))
        }
        Some("safetensors") => {
            Ok(Format::Safetensors { name: name.unwrap_or_else(|| "array".to_owned()) })
        }
        _ => Err(Failure::Usage(format!(
            "cannot export to {}: its name must end in .npy or .safetensors",
            output.display()
        ))),
    }
}
