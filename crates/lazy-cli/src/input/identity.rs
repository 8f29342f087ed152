//! The identity of an input, which decides if a write of it is resumed.

use std::fs;
use std::path::{Path, PathBuf};

use lazy_chunks::zarr::Resume;
use pathdiff::diff_paths;
use xxhash_rust::xxh3::xxh3_64;

use super::InputError;
use super::piece::Piece;
use super::source::unreadable;

/// The identity of an input.
#[derive(Debug)]
pub(crate) struct Identity {
    key: String,
    revision: String,
}

impl Identity {
    /// Returns the identity of a write. If files have changed, one process compares their blocks with
    /// the stored ones, and workers do not continue.
    pub(crate) fn resume(self) -> Resume {
        Resume::new(self.key).with_revision(self.revision)
    }
}

/// Returns the identity of a write of these arrays, in bands of `n_columns`, to `output`.
///
/// The key consists of the names, dtypes and shapes of the arrays. Paths are relative to the
/// directory of the output, however the user spelled them, so a write can be resumed after a
/// directory that holds both was moved. The revision consists of the states of the files, which
/// change with their contents.
pub(super) fn identify(
    pieces: &[Piece],
    n_columns: usize,
    output: &Path,
) -> Result<Identity, InputError> {
    let directory = canonical_directory(output);
    let mut names = Vec::with_capacity(pieces.len());
    let mut key = format!("{n_columns}\n");
    let mut revision = String::new();
    for piece in pieces {
        let name = name(piece, &directory)?;
        key.push_str(&format!("{name} {} {:?}\n", piece.dtype(), piece.shape()));
        names.push(name);
        revision.push_str(&piece.fingerprint()?);
        revision.push('\n');
    }
    let names = match &names[..] {
        [name] => name.clone(),
        names => format!("{} arrays, from {} to {}", names.len(), names[0], names[names.len() - 1]),
    };
    let key = format!("{names}; names, dtypes and shapes {}", digest(&key));
    let revision = format!("states of the files {}", digest(&revision));
    Ok(Identity { key, revision })
}

fn digest(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// Returns the name of an array, with its path relative to a directory.
fn name(piece: &Piece, directory: &Path) -> Result<String, InputError> {
    let path = piece.path();
    let canonical = fs::canonicalize(path).map_err(|source| unreadable(path, source))?;
    let from_directory = diff_paths(&canonical, directory).unwrap_or(canonical);
    let in_file = piece.name().strip_prefix(&*path.to_string_lossy()).unwrap_or(piece.name());
    Ok(format!("{}{in_file}", from_directory.display()))
}

/// Returns the directory of an output, without links as far as it exists.
fn canonical_directory(output: &Path) -> PathBuf {
    let output = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    let directory = output.parent().unwrap_or(&output);
    for above in directory.ancestors() {
        if let (Ok(there), Ok(rest)) = (fs::canonicalize(above), directory.strip_prefix(above)) {
            return there.join(rest);
        }
    }
    directory.to_owned()
}
