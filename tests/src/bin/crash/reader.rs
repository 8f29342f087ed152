//! Readers that have opened the old array before it is replaced.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::ArrayBlock;
use lazy_chunks::zarr::{Error, StoredArray};

use crate::array::{Grid, OLD};
use crate::bench::lock;
use crate::found::ZarrPython;

/// The old array as it was opened before it is replaced, by zarr-python and by us.
pub(crate) struct Reader<'b> {
    python: &'b Mutex<ZarrPython>,
    /// What zarr-python calls the array.
    number: u64,
    here: StoredArray,
    grid: Grid,
}

impl<'b> Reader<'b> {
    pub(crate) fn open(
        python: &'b Mutex<ZarrPython>,
        path: &Path,
        grid: Grid,
    ) -> Result<Reader<'b>> {
        let number = lock(python).hold(path)?;
        Ok(Reader { python, number, here: StoredArray::open(path)?, grid })
    }

    /// Checks that zarr-python reads the old array still, whole.
    pub(crate) fn check_whole(&self) -> Result<()> {
        let held = lock(self.python).held(self.number, &self.grid);
        let version = held.context("of the array that was opened before")?;
        ensure!(version == OLD, "the array that was opened before is version {version}");
        Ok(())
    }

    /// Checks that our handle reads the old array, or says that it was replaced. One of Zarr v2 reads the old
    /// array until its metadata is removed.
    pub(crate) fn check_here(&self, is_replaced: bool, is_of_v2: bool) -> Result<()> {
        let read: Result<ArrayBlock, _> = self.here.read();
        match read {
            Ok(read) if !is_replaced || is_of_v2 => {
                ensure!(read == self.grid.array(OLD), "the handle reads other elements");
                Ok(())
            }
            Err(Error::Replaced { .. }) if is_replaced => Ok(()),
            Err(Error::Removed { .. }) if is_replaced && is_of_v2 => Ok(()),
            Ok(_) => bail!("the handle reads an array that was replaced"),
            Err(error) => bail!("the handle does not read: {error}"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let _ = lock(self.python).release(self.number);
    }
}
