//! Archives of arrays: `.npz`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use lazy_chunks::{ArrayBlock, BlockPool};
use zip::ZipArchive;
use zip::result::ZipError;

use super::layout::Layout;
use super::npy::{read_all, read_header};
use super::source::SourceFile;
use super::{InputError, Selection, natural_order};

/// A member of an archive. Its bytes are checked against their checksum when they are read.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) file: Arc<SourceFile>,
    pub(crate) layout: Layout,
    index: usize,
}

type Archive = ZipArchive<BufReader<File>>;

fn archive(name: &str, file: File) -> Result<Archive, InputError> {
    ZipArchive::new(BufReader::new(file)).map_err(|error| of_zip(name, error))
}

fn of_zip(name: &str, error: ZipError) -> InputError {
    let name = name.to_owned();
    match error {
        ZipError::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            InputError::Read { name, source }
        }
        error => InputError::Corrupt { name, reason: error.to_string() },
    }
}

/// The arrays of an archive that are selected, in natural order.
pub(crate) fn open(path: &Path, selection: &Selection) -> Result<Vec<Member>, InputError> {
    let (file, opened) = SourceFile::open(path)?;
    let mut archive = archive(&file.name(), opened)?;
    let file = Arc::new(file);
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| of_zip(&file.name(), error))?;
        let array = member.name().map_err(|error| of_zip(&file.name(), error))?.into_owned();
        let Some(array) = array.strip_suffix(".npy").map(str::to_owned) else { continue };
        if !selection.has(&array) {
            continue;
        }
        let name = format!("{}, array {array:?}", file.name());
        let header = read_header(&name, &mut member)?.ok_or_else(|| InputError::Corrupt {
            name: name.clone(),
            reason: "it is empty".into(),
        })?;
        let expected = header.n_bytes + header.layout.n_bytes() as u64;
        if member.size() != expected {
            return Err(InputError::Truncated { name, expected, actual: member.size() });
        }
        members.push(Member { name, file: Arc::clone(&file), layout: header.layout, index });
    }
    members.sort_by(|a, b| natural_order(&a.name, &b.name));
    if members.is_empty() {
        return Err(InputError::NoArrays { name: file.name(), pattern: selection.pattern() });
    }
    Ok(members)
}

impl Member {
    pub(crate) fn read(&self, pool: &BlockPool<u8>) -> Result<ArrayBlock, InputError> {
        let file = self.file.reopen()?;
        // What is found in a file that changes meanwhile makes no sense.
        self.read_from(file, pool).map_err(|error| self.file.or_changed(error))
    }

    fn read_from(&self, file: File, pool: &BlockPool<u8>) -> Result<ArrayBlock, InputError> {
        let mut archive = archive(&self.file.name(), file)?;
        let mut member = archive.by_index(self.index).map_err(|error| of_zip(&self.name, error))?;
        if read_header(&self.name, &mut member)?.is_none_or(|header| header.layout != self.layout) {
            let change = "its header is different".to_owned();
            return Err(InputError::Changed { name: self.name.clone(), change });
        }
        let data = read_elements(&self.name, &self.layout, &mut member, pool)?;
        // The checksum is compared when there is nothing more to read.
        member.read(&mut [0]).map_err(|source| InputError::Corrupt {
            name: self.name.clone(),
            reason: source.to_string(),
        })?;
        self.layout.block(&self.name, 0..self.layout.shape[0], data)
    }
}

/// Reads the elements that follow a header.
pub(crate) fn read_elements(
    name: &str,
    layout: &Layout,
    reader: &mut impl Read,
    pool: &BlockPool<u8>,
) -> Result<bytes::Bytes, InputError> {
    let n_bytes = layout.n_bytes();
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
