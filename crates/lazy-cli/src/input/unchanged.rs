//! The check that the input was the same from the first block to the last.

use std::sync::Arc;

use lazy_chunks::{ArrayBlock, BlockPosition, Declared, Error, Reducer, Result};

use super::grid::PieceGrid;

/// A reducer that fails if a file of the input changes during the pass.
///
/// It checks all files when it is sealed, which is before any reducer of the pass is finished: so nothing is
/// published that was made of two versions of a file. A stream cannot be checked.
#[derive(Debug)]
pub(super) struct Unchanged(pub(super) Option<Arc<PieceGrid>>);

impl Reducer for Unchanged {
    type Partial = ();
    type State = ();
    type Output = ();

    fn start(&self, _: &Declared) -> Result<()> {
        Ok(())
    }

    fn partial(&self, _: BlockPosition, _: &ArrayBlock) -> Result<()> {
        Ok(())
    }

    fn absorb(&self, (): &mut (), _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn seal(&self, (): &mut ()) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |grid| grid.check_unchanged()).map_err(Error::other)
    }

    fn finish(&self, (): ()) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use lazy_chunks::DType;
    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::arguments;
    use crate::failure::Failure;
    use crate::input::{Input, npy_header};

    /// A reducer that meddles with files when a number of blocks have been absorbed.
    struct Meddle<'a> {
        after: usize,
        act: &'a (dyn Fn() + Sync),
    }

    impl Reducer for Meddle<'_> {
        type Partial = ();
        type State = usize;
        type Output = usize;

        fn start(&self, _: &Declared) -> Result<usize> {
            Ok(0)
        }

        fn partial(&self, _: BlockPosition, _: &ArrayBlock) -> Result<()> {
            Ok(())
        }

        fn absorb(&self, n_blocks: &mut usize, _: BlockPosition, (): ()) -> Result<()> {
            *n_blocks += 1;
            if *n_blocks == self.after {
                (self.act)();
            }
            Ok(())
        }

        fn seal(&self, _: &mut usize) -> Result<()> {
            Ok(())
        }

        fn finish(&self, n_blocks: usize) -> Result<usize> {
            Ok(n_blocks)
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

    /// Evaluates all blocks of files, one of which is changed after so many blocks.
    fn compute(directory: &Path, after: usize, act: &(dyn Fn() + Sync)) -> Result<usize, Failure> {
        let arguments = arguments::Input {
            inputs: vec![directory.to_owned()],
            from_command: None,
            rows: None,
            blocks: None,
            grid: None,
            stack: false,
            sort: false,
            tensors: None,
            threads: Some(1),
        };
        Input::open(&arguments, false)?.compute(Meddle { after, act })
    }

    /// A change of a file, by its path and other contents of the same size.
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
        (|path, other| fs::write(path, &other[..other.len() - 7]).unwrap(), "bytes, and now has"),
        (|path, other| fs::write(path, [other, &[0]].concat()).unwrap(), "bytes, and now has"),
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
                // Of a file that will be read, that has just been read, and that was read long ago.
                for (index, after, at) in [(2, 1, "block 2: "), (2, 3, ""), (0, 3, "")] {
                    let directory = TempDir::new().unwrap();
                    let paths: [PathBuf; 3] =
                        [0, 1, 2].map(|i| directory.path().join(format!("{i}.{extension}")));
                    for path in &paths {
                        fs::write(path, contents(1)).unwrap();
                    }
                    assert_eq!(compute(directory.path(), 0, &|| ()).unwrap(), 3);
                    let act = || change(&paths[index], &contents(2));
                    let failure = compute(directory.path(), after, &act).unwrap_err();
                    let said = failure.to_string();
                    let path = paths[index].display();
                    let start = format!("{at}{path} changed while it was read: ");
                    assert!(said.starts_with(&start) && said.contains(expected), "{said}");
                    assert!(failure.is_of_changed_input());
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
        let said = compute(directory.path(), 1, &act).unwrap_err().to_string();
        let expected = format!("it had {n_bytes} bytes, and now has {}", n_bytes - 1);
        assert!(said.starts_with("block 1: ") && said.ends_with(&expected), "{said}");
    }
}
