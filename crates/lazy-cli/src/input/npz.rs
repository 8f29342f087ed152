//! Archives of arrays: `.npz`.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use lazy_chunks::{ArrayBlock, BlockPool};
use zip::ZipArchive;
use zip::result::ZipError;

use super::layout::Layout;
use super::npy::{read_all, read_header};
use super::order::natural_order;
use super::source::SourceFile;
use super::{InputError, Selection};

/// An array in an archive. Reading it verifies its checksum.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) layout: Layout,
    archive: Arc<Archive>,
    index: usize,
    /// True if the array is one row.
    is_stacked: bool,
}

/// An archive whose directory has been read once, for all members.
#[derive(Debug)]
struct Archive {
    file: Arc<SourceFile>,
    /// Cloned for each read: the directory is shared, and the file is opened anew.
    members: ZipArchive<Reader>,
}

/// The bytes of an archive. The first read opens the file, so an idle reader has no descriptor.
#[derive(Debug)]
struct Reader {
    source: Arc<SourceFile>,
    file: Option<File>,
    position: u64,
}

impl Clone for Reader {
    fn clone(&self) -> Reader {
        Reader { source: Arc::clone(&self.source), file: None, position: self.position }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            file => file.insert(self.source.reopen().map_err(io::Error::other)?),
        };
        let n_read = file.read_at(buffer, self.position)?;
        self.position += n_read as u64;
        Ok(n_read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.source.n_bytes().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

fn of_zip(name: &str, error: ZipError) -> InputError {
    let name = name.to_owned();
    match error {
        ZipError::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            InputError::Read { name, source }
        }
        error => InputError::Corrupt { name, reason: error.to_string() },
    }
}

/// The arrays of an archive.
#[derive(Debug)]
pub(crate) struct Members {
    /// The selected arrays, in natural order.
    pub(crate) found: Vec<Member>,
    /// The names of members that are not arrays.
    pub(crate) left_out: Vec<String>,
}

/// Opens an archive. With `stack`, each array becomes one row.
pub(crate) fn open(path: &Path, selection: &Selection, stack: bool) -> Result<Members, InputError> {
    let (file, opened) = SourceFile::open(path)?;
    let file = Arc::new(file);
    let reader = Reader { source: Arc::clone(&file), file: Some(opened), position: 0 };
    let of_file = |error| file.or_changed(of_zip(&file.name(), error));
    let mut members = ZipArchive::new(reader).map_err(of_file)?;
    let archive = Arc::new(Archive { file: Arc::clone(&file), members: members.clone() });
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for index in 0..members.len() {
        let member = members.by_index(index).map_err(of_file)?;
        let member_name = member.name().map_err(of_file)?.into_owned();
        let array = member_name.strip_suffix(".npy").filter(|_| !is_of_finder(&member_name));
        let Some(array) = array else {
            left_out.push(member_name);
            continue;
        };
        if !selection.has(array) {
            continue;
        }
        let name = format!("{}, array {array:?}", file.name());
        let n_bytes = member.size();
        let header = read_header(&name, &mut BufReader::with_capacity(256, member), stack)
            .map_err(InputError::in_archive)?
            .ok_or_else(|| InputError::Corrupt {
                name: name.clone(),
                reason: "it is empty".into(),
            })?;
        let expected = header.n_bytes + header.layout.n_bytes() as u64;
        if n_bytes != expected {
            return Err(InputError::Truncated { name, expected, actual: n_bytes });
        }
        let archive = Arc::clone(&archive);
        found.push(Member { name, layout: header.layout, archive, index, is_stacked: stack });
    }
    found.sort_by(|a, b| natural_order(&a.name, &b.name));
    if found.is_empty() {
        return Err(InputError::NoArrays { name: file.name(), pattern: selection.pattern() });
    }
    Ok(Members { found, left_out })
}

/// Returns true for a member that macOS adds to an archive for each file.
fn is_of_finder(member: &str) -> bool {
    let file_name = member.rsplit('/').next().unwrap_or(member);
    member.starts_with("__MACOSX/") || file_name.starts_with("._")
}

impl Member {
    pub(crate) fn file(&self) -> &Arc<SourceFile> {
        &self.archive.file
    }

    pub(crate) fn read(&self, pool: &BlockPool<u8>) -> Result<ArrayBlock, InputError> {
        // A file that changes during the read may cause any error.
        self.read_whole(pool).map_err(|error| self.file().or_changed(error))
    }

    fn read_whole(&self, pool: &BlockPool<u8>) -> Result<ArrayBlock, InputError> {
        let mut members = self.archive.members.clone();
        let member = members.by_index(self.index).map_err(|error| of_zip(&self.name, error))?;
        let mut member = BufReader::new(member);
        let header = read_header(&self.name, &mut member, self.is_stacked)?;
        if header.is_none_or(|header| header.layout != self.layout) {
            let change = "its header is different".to_owned();
            return Err(InputError::Changed { name: self.name.clone(), change });
        }
        let data =
            read_elements(&self.name, &self.layout, self.layout.n_bytes(), &mut member, pool)?;
        // The read at the end compares the checksum.
        member.read(&mut [0]).map_err(|source| InputError::Corrupt {
            name: self.name.clone(),
            reason: source.to_string(),
        })?;
        self.layout.block(&self.name, 0..self.layout.shape[0], None, data)
    }
}

/// Reads the elements that follow a header, `n_bytes` bytes.
pub(crate) fn read_elements(
    name: &str,
    layout: &Layout,
    n_bytes: usize,
    reader: &mut impl Read,
    pool: &BlockPool<u8>,
) -> Result<bytes::Bytes, InputError> {
    let mut buffer = layout.buffer(name, n_bytes, pool)?;
    let n_read = read_all(name, reader, &mut buffer)?;
    if n_read < n_bytes {
        return Err(InputError::Ended {
            name: name.to_owned(),
            part: "the elements",
            expected: n_bytes as u64,
            actual: n_read as u64,
        });
    }
    Ok(buffer.into_block().data().clone())
}
