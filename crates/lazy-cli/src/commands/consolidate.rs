//! `lazy consolidate`.

use lazy_chunks::zarr::{consolidate_metadata, remove_consolidated_metadata};

use crate::arguments::Consolidate;
use crate::failure::Result;
use crate::print;

pub(crate) fn run(arguments: &Consolidate) -> Result<()> {
    let group = arguments.path.display();
    if arguments.remove {
        match remove_consolidated_metadata(&*arguments.path)? {
            true => print::note(format_args!("removed the consolidated metadata of {group}")),
            false => print::note(format_args!("{group} has no consolidated metadata")),
        }
    } else {
        let n_members = consolidate_metadata(&*arguments.path)?;
        print::note(format_args!("consolidated the metadata of {n_members} members in {group}"));
    }
    Ok(())
}
