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

/// Returns the identity of a write of these arrays, in bands of `n_columns`, to the path `output`,
/// or to a store.
///
/// The key consists of the names, dtypes and shapes of the arrays. Paths are relative to the
/// directory of the output, however the user spelled them, so a write can be resumed after a
/// directory that holds both was moved. If the output is in a store, paths are absolute. The name of
/// an array in a store is its URL. The revision consists of the states of the files and objects,
/// which change with their contents.
pub(super) fn identify(
    pieces: &[Piece],
    n_columns: usize,
    output: Option<&Path>,
) -> Result<Identity, InputError> {
    let directory = output.map(canonical_directory);
    let mut names = Vec::with_capacity(pieces.len());
    let mut key = format!("{n_columns}\n");
    let mut revision = String::new();
    for piece in pieces {
        let name = name(piece, directory.as_deref())?;
        key.push_str(&format!("{name} {} {:?}\n", piece.dtype(), piece.shape()));
        names.push(name);
        revision.push_str(&piece.fingerprint()?);
        revision.push('\n');
    }
    let names = match &names[..] {
        [name] => name.clone(),
        names => format!("{} arrays, from {} to {}", names.len(), names[0], names[names.len() - 1]),
    };
    let key = format!("{names}{OF_PROGRAM}{}", digest(&key));
    let revision = format!("states of the files {}", digest(&revision));
    Ok(Identity { key, revision })
}

/// The text in the keys of this program between the names of the arrays and the digest.
const OF_PROGRAM: &str = "; names, dtypes and shapes ";

/// Returns true if this program has begun the write with a key, rather than one that calls the
/// library.
pub(crate) fn is_of_program(key: &str) -> bool {
    key.rsplit_once(OF_PROGRAM).is_some_and(|(_, digest)| digest.len() == 16)
}

fn digest(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// Returns the name of an array, with its path relative to a directory if there is one.
fn name(piece: &Piece, directory: Option<&Path>) -> Result<String, InputError> {
    let Some(path) = piece.path() else { return Ok(piece.name().to_owned()) };
    let canonical = fs::canonicalize(path).map_err(|source| unreadable(path, source))?;
    let relative = directory.and_then(|directory| diff_paths(&canonical, directory));
    // The name of a Zarr array is its path or its URL, and nothing more.
    let in_file = piece.name().strip_prefix(&*path.to_string_lossy()).unwrap_or_default();
    Ok(format!("{}{in_file}", relative.unwrap_or(canonical).display()))
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
