//! Readers that open the old array before it is replaced.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::ArrayBlock;
use lazy_chunks::zarr::{ErrorKind, StoredArray};

use crate::array::{Grid, OLD};
use crate::bench::lock;
use crate::found::ZarrPython;

/// The old array, opened by zarr-python and by this library before it is replaced.
pub(crate) struct Reader<'b> {
    python: &'b Mutex<ZarrPython>,
    /// The number of zarr-python's handle.
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

    /// Checks that zarr-python still reads the complete old array.
    pub(crate) fn check_whole(&self) -> Result<()> {
        let held = lock(self.python).held(self.number, &self.grid);
        let version = held.context("reading the array that was opened before")?;
        ensure!(version == OLD, "the array that was opened before is version {version}");
        Ok(())
    }

    /// Checks that this library's handle reads the old array, or reports that it was replaced. A
    /// handle of a Zarr v2 array reads the old array until its metadata is removed.
    pub(crate) fn check_here(&self, is_replaced: bool, is_of_v2: bool) -> Result<()> {
        let read: Result<ArrayBlock, _> = self.here.read();
        match read {
            Ok(read) if !is_replaced || is_of_v2 => {
                ensure!(read == self.grid.array(OLD), "the handle reads other elements");
                Ok(())
            }
            Err(error) if is_replaced && error.kind() == ErrorKind::Changed => Ok(()),
            Err(error) if is_replaced && is_of_v2 && error.kind() == ErrorKind::NotFound => Ok(()),
            Ok(_) => bail!("the handle reads an array that was replaced"),
            Err(error) => bail!("the handle cannot be read: {error}"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let _ = lock(self.python).release(self.number);
    }
}
