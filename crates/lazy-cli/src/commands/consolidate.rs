//! `lazy consolidate`.

use lazy_chunks::zarr::{consolidate_metadata, remove_consolidated_metadata};

use crate::count::count;
use crate::failure::Result;
use crate::options::Consolidate;
use crate::print;

pub(crate) fn run(options: &Consolidate) -> Result<()> {
    let group = options.path.display();
    if !options.remove {
        let n_members = consolidate_metadata(&*options.path)?;
        print::note(format_args!(
            "consolidated the metadata of {} in {group}",
            count(n_members, "member")
        ));
    } else if remove_consolidated_metadata(&*options.path)? {
        print::note(format_args!("removed the consolidated metadata of {group}"));
    } else {
        print::note(format_args!("{group} has no consolidated metadata"));
    }
    Ok(())
}
