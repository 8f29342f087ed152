//! Files whose elements lie in them as they are: `.npy` and `.safetensors`.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use lazy_chunks::{ArrayBlock, DType};
use memmap2::{Mmap, MmapOptions};
use safetensors::{Dtype, SafeTensors};

use super::layout::Layout;
use super::npy::read_header;
use super::{InputError, Selection, natural_order};

/// A block of a file has at most so many bytes, unless a single row has more.
const MOST_AT_ONCE: usize = 32 << 20;

/// A file as it was when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) path: PathBuf,
    pub(crate) n_bytes: u64,
    modified: Option<u128>,
}

impl FileState {
    pub(crate) fn of(path: &Path) -> Result<FileState, InputError> {
        let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(FileState {
            path: path.to_owned(),
            n_bytes: metadata.len(),
            modified: since.map(|since| since.as_nanos()),
        })
    }

    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Opens the file, if it is as it was.
    pub(crate) fn open(&self) -> Result<File, InputError> {
        if FileState::of(&self.path)? != *self {
            return Err(InputError::Changed { name: self.name() });
        }
        File::open(&self.path).map_err(|source| unreadable(&self.path, source))
    }

    pub(crate) fn fingerprint(&self) -> String {
        format!("{} {} {:?}", self.path.display(), self.n_bytes, self.modified)
    }
}

pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> InputError {
    InputError::Read { name: path.display().to_string(), source }
}

/// An array whose elements lie in a file as they are.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) name: String,
    pub(crate) file: FileState,
    pub(crate) layout: Layout,
    /// The first byte of the elements.
    offset: u64,
}

impl Mapped {
    pub(crate) fn rows_at_once(&self) -> usize {
        MOST_AT_ONCE / self.layout.row_bytes().max(1)
    }

    pub(crate) fn read(&self, rows: Range<usize>) -> Result<ArrayBlock, InputError> {
        let bytes = self.layout.bytes_of(&rows);
        let data = if bytes.is_empty() {
            Bytes::new()
        } else {
            let file = self.file.open()?;
            let map = map(&file, self.offset + bytes.start as u64, bytes.len())
                .map_err(|source| unreadable(&self.file.path, source))?;
            Bytes::from_owner(map)
        };
        self.layout.block(&self.name, rows, data)
    }
}

/// Maps a part of a file.
#[expect(unsafe_code, reason = "memory that a file backs can be had no other way")]
fn map(file: &File, offset: u64, length: usize) -> std::io::Result<Mmap> {
    // SAFETY: The map is private and read as bytes alone, of which every value is one; so the only danger is another
    // process that writes to the file or cuts it off while the map is alive. The length was compared
    // with that of the file just before. What is written to it meanwhile may be seen or not, as by `read`, and ends up
    // in the array; a file that is cut off ends this process by a signal (SIGBUS), which a write survives: what it has
    // stored is kept, and the target is as it was.
    let map = unsafe { MmapOptions::new().offset(offset).len(length).map(file) }?;
    // It is read once, from the front to the back.
    #[cfg(unix)]
    map.advise(memmap2::Advice::Sequential)?;
    Ok(map)
}

/// The array of a `.npy` file.
pub(crate) fn open_npy(path: &Path) -> Result<Mapped, InputError> {
    let file = FileState::of(path)?;
    let name = file.name();
    let reader = File::open(path).map_err(|source| unreadable(path, source))?;
    let mut reader = BufReader::with_capacity(256, reader);
    let header = read_header(&name, &mut reader)?
        .ok_or_else(|| InputError::Corrupt { name: name.clone(), reason: "it is empty".into() })?;
    let expected = header.n_bytes + header.layout.n_bytes() as u64;
    if file.n_bytes < expected {
        return Err(InputError::Truncated { name, expected, actual: file.n_bytes });
    }
    if file.n_bytes > expected {
        let reason = format!("it has {} bytes behind the array", file.n_bytes - expected);
        return Err(InputError::Corrupt { name, reason });
    }
    Ok(Mapped { name, file, layout: header.layout, offset: header.n_bytes })
}

/// The arrays of a `.safetensors` file that are selected.
pub(crate) fn open_safetensors(
    path: &Path,
    selection: &Selection,
) -> Result<Vec<Mapped>, InputError> {
    let state = FileState::of(path)?;
    let name = state.name();
    let corrupt = |reason: String| InputError::Corrupt { name: name.clone(), reason };
    let length = usize::try_from(state.n_bytes).map_err(|error| corrupt(error.to_string()))?;
    let mut file = File::open(path).map_err(|source| unreadable(path, source))?;
    let mut header_length = [0; 8];
    if file.read_exact(&mut header_length).is_err() {
        return Err(corrupt("it is too short for a header".to_owned()));
    }
    let map = map(&file, 0, length).map_err(|source| unreadable(path, source))?;
    let (header_length, metadata) =
        SafeTensors::read_metadata(&map).map_err(|error| corrupt(error.to_string()))?;
    let first_byte = (8 + header_length) as u64;
    let mut names = metadata.offset_keys();
    names.sort_by(|a, b| natural_order(a, b));
    let mut arrays = Vec::new();
    for tensor in names.iter().filter(|tensor| selection.has(tensor)) {
        let info = metadata.info(tensor).expect("it is one of the names");
        let name = format!("{name}, tensor {tensor:?}");
        let dtype = dtype(info.dtype).ok_or_else(|| InputError::UnsupportedDType {
            name: name.clone(),
            dtype: info.dtype.to_string(),
        })?;
        let shape: Vec<_> = info.shape.iter().map(|&size| size as u64).collect();
        let layout = Layout::new(&name, dtype, &shape, false, cfg!(target_endian = "big"))?;
        let offset = first_byte + info.data_offsets.0 as u64;
        arrays.push(Mapped { name, file: state.clone(), layout, offset });
    }
    if arrays.is_empty() {
        return Err(InputError::NoArrays { name, pattern: selection.pattern() });
    }
    Ok(arrays)
}

fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::BOOL => DType::Bool,
        Dtype::I8 => DType::Int8,
        Dtype::I16 => DType::Int16,
        Dtype::I32 => DType::Int32,
        Dtype::I64 => DType::Int64,
        Dtype::U8 => DType::UInt8,
        Dtype::U16 => DType::UInt16,
        Dtype::U32 => DType::UInt32,
        Dtype::U64 => DType::UInt64,
        Dtype::F16 => DType::Float16,
        Dtype::BF16 => DType::BFloat16,
        Dtype::F32 => DType::Float32,
        Dtype::F64 => DType::Float64,
        Dtype::C64 => DType::Complex64,
        _ => return None,
    })
}

/// The name of a dtype in a `.safetensors` file; none where the format has no such dtype.
pub(crate) fn safetensors_dtype(wanted: DType) -> Option<Dtype> {
    use Dtype::*;
    let all = [BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64];
    all.into_iter().find(|one| dtype(*one) == Some(wanted))
}
