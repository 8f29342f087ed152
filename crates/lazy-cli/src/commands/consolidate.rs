//! `lazy consolidate`.

use lazy_chunks::zarr::Group;

use crate::count::count;
use crate::failure::Result;
use crate::options::Consolidate;
use crate::print;

pub(crate) fn run(options: &Consolidate) -> Result<()> {
    let (group, path) = (Group::open(&options.path)?, &options.path);
    if !options.remove {
        let n_members = group.consolidate()?;
        print::note(format_args!(
            "consolidated the metadata of {} in {path}",
            count(n_members, "member")
        ));
    } else if group.remove_consolidated()? {
        print::note(format_args!("removed the consolidated metadata of {path}"));
    } else {
        print::note(format_args!("{path} has no consolidated metadata"));
    }
    Ok(())
}
