//! The check that no file of the input changes during a pass.

use std::ops::Range;
use std::sync::Arc;

use lazy_chunks::{
    ArrayBlock, BlockPosition, Claimed, DividedReducer, DivisibleReducer, Error, Part, PartReport,
    PlanSpec, Reducer, Result, Run, SequenceSpec, TakeOver,
};

use super::grid::PieceGrid;

/// A reducer that fails if a file of the input changes during the pass.
///
/// It checks all files when it prepares, which is before any reducer of the pass commits, so
/// nothing is published that mixes two versions of a file. A stream cannot be checked. If workers
/// share the pass, each of them checks the files of its parts, and the last one checks all files
/// before it publishes.
#[derive(Debug)]
pub(super) struct Unchanged {
    grid: Option<Arc<PieceGrid>>,
    /// The blocks along axis 0 whose files are checked.
    bands: Range<usize>,
}

impl Unchanged {
    pub(super) fn new(grid: Option<Arc<PieceGrid>>) -> Unchanged {
        let bands = 0..grid.as_ref().map_or(0, |grid| grid.n_bands());
        Unchanged { grid, bands }
    }
}

impl Reducer for Unchanged {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = Unchanged;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Unchanged)> {
        Ok((|_, _| Ok(()), self))
    }
}

impl Run for Unchanged {
    type Partial = ();
    type Output = ();

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self) -> Result<()> {
        let check = |grid: &Arc<PieceGrid>| grid.check_unchanged(self.bands.clone());
        self.grid.as_ref().map_or(Ok(()), check).map_err(Error::other)
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

impl DivisibleReducer for Unchanged {
    type Divided = Unchanged;

    fn describe(&self, _: &mut Vec<String>) {}

    fn divide(self, _: &PlanSpec) -> Result<Unchanged> {
        Ok(self)
    }
}

impl DividedReducer for Unchanged {
    type Partial = ();
    type PartReducer = Unchanged;
    type Join = Unchanged;
    type Output = ();

    fn claim(&self, part: &Part, _: TakeOver) -> Result<Claimed<Unchanged>> {
        Ok(Claimed::Taken(Unchanged { grid: self.grid.clone(), bands: part.bands() }))
    }

    fn keep(&self, _: &PartReport, (): (), _: &mut Option<Vec<u8>>) -> Result<()> {
        Ok(())
    }

    fn join(&self, _: TakeOver) -> Result<Claimed<Unchanged>> {
        Ok(Claimed::Taken(Unchanged { grid: self.grid.clone(), bands: self.bands.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use lazy_chunks::{DType, Progress};
    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::input::{Input, InputError, InputOptions, Origin, Paths, Selection, npy_header};

    /// A reducer that calls a function after a number of blocks.
    struct Meddle<'a> {
        after: usize,
        act: &'a (dyn Fn() + Sync),
    }

    struct Meddling<'a> {
        meddle: Meddle<'a>,
        n_blocks: usize,
    }

    impl<'a> Reducer for Meddle<'a> {
        type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
        type Run = Meddling<'a>;
        type Output = usize;

        fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Meddling<'a>)> {
            Ok((|_, _| Ok(()), Meddling { meddle: self, n_blocks: 0 }))
        }
    }

    impl Run for Meddling<'_> {
        type Partial = ();
        type Output = usize;

        fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
            self.n_blocks += 1;
            if self.n_blocks == self.meddle.after {
                (self.meddle.act)();
            }
            Ok(())
        }

        fn commit(self) -> Result<usize> {
            Ok(self.n_blocks)
        }
    }

    fn npy(value: u8) -> Vec<u8> {
        [npy_header(DType::UInt8, &[4, 5]).unwrap(), vec![value; 20]].concat()
    }

    fn npz(value: u8) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut archive = ZipWriter::new(&mut bytes);
        archive.start_file("x.npy", SimpleFileOptions::default()).unwrap();
        archive.write_all(&npy(value)).unwrap();
        archive.finish().unwrap();
        bytes.into_inner()
    }

    fn safetensors(value: u8) -> Vec<u8> {
        let header = r#"{"x":{"dtype":"U8","shape":[4,5],"data_offsets":[0,20]}}"#;
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &[value; 20]].concat()
    }

    /// Evaluates all blocks of the files in a directory, and calls a function after a number of
    /// blocks. An error is that of the input, and names the block.
    fn compute(
        directory: &Path,
        after: usize,
        act: &(dyn Fn() + Sync),
    ) -> Result<usize, (String, Box<InputError>)> {
        let paths = vec![directory.into()];
        let options = InputOptions {
            origin: Origin::Paths(Paths { paths, sort: false, selection: Selection::default() }),
            rows: None,
            blocks: None,
            n_columns: None,
            stack: false,
            keeps_blocks: false,
            n_threads: Some(1),
        };
        let input = Input::open(&options, false).unwrap();
        input.compute(Meddle { after, act }, |_: &Progress| {}).map_err(|error| {
            let at = error.block().map(|at| format!("{at}: ")).unwrap_or_default();
            (at, error.downcast::<InputError>().unwrap())
        })
    }

    /// A change of a file, given its path and other contents of the same size.
    type Change = fn(&Path, &[u8]);

    const CHANGES: [(Change, &str); 6] = [
        (|path, other| fs::write(path, other).unwrap(), "its modification time is different"),
        (
            |path, other| {
                let modified = fs::metadata(path).unwrap().modified().unwrap();
                fs::write(path, other).unwrap();
                File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
            },
            "its change time (ctime) is different",
        ),
        (
            |path, other| {
                let beside = path.with_extension("new");
                fs::write(&beside, other).unwrap();
                fs::rename(beside, path).unwrap();
            },
            "it was replaced by another file",
        ),
        (|path, other| fs::write(path, &other[..other.len() - 7]).unwrap(), "bytes and now has"),
        (|path, other| fs::write(path, [other, &[0]].concat()).unwrap(), "bytes and now has"),
        (|path, _| fs::remove_file(path).unwrap(), "it was removed"),
    ];

    #[test]
    fn every_change_of_every_kind_of_file_is_an_error() {
        for extension in ["npy", "npz", "safetensors"] {
            let contents = |value| match extension {
                "npy" => npy(value),
                "npz" => npz(value),
                _ => safetensors(value),
            };
            for (change, expected) in CHANGES {
                // A file that is read later, that was read just now, and that was read earlier.
                for (index, after, at) in [(2, 1, "block 2: "), (2, 3, ""), (0, 3, "")] {
                    let directory = TempDir::new().unwrap();
                    let paths: [PathBuf; 3] =
                        [0, 1, 2].map(|i| directory.path().join(format!("{i}.{extension}")));
                    for path in &paths {
                        fs::write(path, contents(1)).unwrap();
                    }
                    assert_eq!(compute(directory.path(), 0, &|| ()).unwrap(), 3);
                    let act = || change(&paths[index], &contents(2));
                    let (block, error) = compute(directory.path(), after, &act).unwrap_err();
                    let message = error.to_string();
                    let start = format!("{} changed while it was read: ", paths[index].display());
                    assert!(block.starts_with(at), "{block}{message}");
                    assert!(message.starts_with(&start), "{message}");
                    assert!(message.contains(expected), "{message}");
                    assert!(matches!(*error, InputError::Changed { .. }));
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_cut_off_between_its_blocks_is_an_error() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.npy");
        let row = 32 << 20;
        let header = npy_header(DType::UInt8, &[3, row]).unwrap();
        fs::write(&path, &header).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let n_bytes = (header.len() + 3 * row) as u64;
        file.set_len(n_bytes).unwrap();
        let act = || file.set_len(n_bytes - 1).unwrap();
        let (block, error) = compute(directory.path(), 1, &act).unwrap_err();
        let expected = format!("it had {n_bytes} bytes and now has {}", n_bytes - 1);
        assert_eq!(block, "block 1: ");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}
