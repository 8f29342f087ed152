//! The arguments of the commands that look after stored arrays, and of `completions`.

use std::ffi::OsString;

use clap::{Args, CommandFactory, ValueHint};
use clap_complete::{Shell, generate};

use super::Arguments;
use super::parsers::location;
use crate::values::Attribute;

/// List unfinished writes, or remove them
#[derive(Args, Debug)]
pub(crate) struct Unfinished {
    /// Path or URL of a Zarr array or group that was being written, or a folder of them
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Remove unfinished writes and the chunks that they have stored
    ///
    /// A write that is running is kept, and the command fails.
    #[arg(long)]
    pub(crate) remove: bool,

    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove old chunks of arrays that were replaced
///
/// The old chunks are kept until the array is replaced again, for readers that have the old array
/// open. Interrupted writes that cannot be resumed are removed as well. The current version of an
/// array is never touched.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy clean run.zarr --dry-run
  lazy clean results/")]
pub(crate) struct Clean {
    /// Path or URL of a Zarr array or group, or a folder of them
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Print what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Copy the metadata of all members of a group into the group, or remove that copy
///
/// Such a copy is called consolidated metadata, and has the format of zarr-python. With it, readers
/// open the group and its members in one request. No array can be stored in the group until the
/// copy is removed, because the copy would become outdated.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy consolidate run.zarr --remove
  lazy store today.npy -o run.zarr --array today
  lazy consolidate run.zarr")]
pub(crate) struct Consolidate {
    /// Path or URL of a Zarr group
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Remove the copy
    #[arg(long)]
    pub(crate) remove: bool,
}

/// Print the attributes of an array or a group, or change those of a group
///
/// All changes are made in one step, and keep everything else in the metadata. Attributes of an
/// array are set when it is stored, with `lazy store --attr`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy attributes run.zarr
  lazy attributes run.zarr --set model=digits --set l2=0.001 --unset draft")]
pub(crate) struct Attributes {
    /// Path or URL of a Zarr array or group
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Set an attribute, such as l2=0.001; a value that is not JSON is stored as text
    #[arg(long, value_name = "K=V")]
    pub(crate) set: Vec<Attribute>,

    /// Remove an attribute
    #[arg(long, value_name = "K")]
    pub(crate) unset: Vec<String>,

    /// Print the attributes as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove an array or a group from a group
///
/// An array ceases to exist in one step, before its chunks are removed, so an interrupted command
/// leaves every array whole or removed. Run the command again to complete it. Files that do not
/// belong to Zarr are kept and listed. An array that is being written, or has an unfinished write
/// that can be resumed, is not removed.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy remove run.zarr/monday
  lazy remove run.zarr/moments --recursive")]
pub(crate) struct Remove {
    /// Path or URL of a member of a Zarr group, such as run.zarr/monday
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Remove a group with all its members
    #[arg(short, long)]
    pub(crate) recursive: bool,

    /// Print what was removed and the kept files as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a script that completes arguments in a shell
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy completions bash > ~/.local/share/bash-completion/completions/lazy
  lazy completions zsh > ~/.zfunc/_lazy")]
pub(crate) struct Completions {
    /// Shell that reads the script
    pub(crate) shell: Shell,
}

impl Completions {
    /// Returns the script.
    pub(crate) fn script(&self) -> String {
        let mut script = Vec::new();
        generate(self.shell, &mut Arguments::command(), "lazy", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
