//! Headers of `.npy` records.

mod descr;
mod foreign;
mod literal;

use std::io::{self, BufRead, Read};

use lazy_chunks::DType;

pub(super) use foreign::Foreign;

use super::InputError;
use super::layout::Layout;
use descr::Refused;
use literal::Literal;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The most bytes before the text of a header: the magic string, the version and the length.
const PREFIX: usize = 12;

/// The longest header in bytes. Headers of arrays of numbers have about a hundred.
const LONGEST: usize = 1 << 20;

/// The number of bytes that an error shows of data that is not a record.
const SHOWN: usize = 48;

/// The header of a record, which describes the elements that follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) layout: Layout,
    /// The bytes of the header itself.
    pub(crate) n_bytes: u64,
}

/// Reads the header of a record. Returns none if there are no more bytes. With `stack`, the record
/// becomes one row.
pub(crate) fn read_header(
    name: &str,
    reader: &mut impl BufRead,
    stack: bool,
) -> Result<Option<Header>, InputError> {
    let corrupt = |reason: String| InputError::Corrupt { name: name.to_owned(), reason };
    // These are only bytes that have arrived, so an error does not wait for more.
    let start =
        first_bytes(reader).map_err(|source| InputError::Read { name: name.to_owned(), source })?;
    let mut bytes = vec![0; 8];
    let n_read = read_all(name, reader, &mut bytes)?;
    if n_read == 0 {
        return Ok(None);
    }
    if !MAGIC.starts_with(&bytes[..n_read.min(MAGIC.len())]) {
        let start = if start.len() < n_read { bytes[..n_read].to_vec() } else { start };
        let shown = foreign::shown(&start);
        return Err(match foreign::recognize(&start) {
            Some(foreign) => InputError::NoRecord { name: name.to_owned(), start: shown, foreign },
            None => corrupt(format!("it begins with {shown}, which is not a .npy record")),
        });
    }
    let ended = |expected: usize, actual: usize| InputError::Ended {
        name: name.to_owned(),
        part: "the header",
        expected: expected as u64,
        actual: actual as u64,
    };
    if n_read < bytes.len() {
        return Err(ended(bytes.len(), n_read));
    }
    let length_size = match bytes[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(corrupt(format!("format version {version} is unknown"))),
    };
    let mut length = [0; 4];
    let n_read = read_all(name, reader, &mut length[..length_size])?;
    bytes.extend(&length[..n_read]);
    if n_read < length_size {
        return Err(ended(8 + length_size, 8 + n_read));
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(corrupt(format!("its header declares a length of {length} bytes")));
    }
    let start = bytes.len();
    debug_assert!(start <= PREFIX);
    bytes.resize(start + length, 0);
    let n_read = read_all(name, reader, &mut bytes[start..])?;
    if n_read < length {
        return Err(ended(start + length, start + n_read));
    }
    let layout = layout(name, &bytes[start..], stack)?;
    Ok(Some(Header { layout, n_bytes: bytes.len() as u64 }))
}

/// Returns the next bytes that have arrived, without taking them.
fn first_bytes(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    loop {
        match reader.fill_buf() {
            Ok(bytes) => return Ok(bytes[..bytes.len().min(SHOWN)].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Parses the text of a header.
fn layout(name: &str, text: &[u8], stack: bool) -> Result<Layout, InputError> {
    let corrupt = |reason: &str| InputError::Corrupt {
        name: name.to_owned(),
        reason: format!("its header does not describe an array: {reason}"),
    };
    // Versions 1 and 2 are Latin-1. Outside of field names, only ASCII has a meaning.
    let text: String = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|&byte| char::from(byte)).collect(),
    };
    let Literal::Dict(entries) = literal::parse(&text).map_err(|reason| corrupt(&reason))? else {
        return Err(corrupt("it is not a dictionary"));
    };
    let (mut descr, mut order, mut shape) = (None, None, None);
    for (key, value) in entries {
        let entry = match &key {
            Literal::Text(key) if key == "descr" => &mut descr,
            Literal::Text(key) if key == "fortran_order" => &mut order,
            Literal::Text(key) if key == "shape" => &mut shape,
            _ => return Err(corrupt("it has an unknown entry")),
        };
        *entry = Some(value);
    }
    let missing = |entry: &str| corrupt(&format!("it has no {entry:?}"));
    let elements = descr::read(&descr.ok_or_else(|| missing("descr"))?).map_err(|refused| {
        let name = name.to_owned();
        match refused {
            Refused::Objects => InputError::Objects { name },
            Refused::Unsupported { dtype, remedy } => {
                InputError::UnsupportedDType { name, dtype, remedy }
            }
            Refused::Unknown(reason) => corrupt(&reason),
        }
    })?;
    let is_fortran = match order.ok_or_else(|| missing("fortran_order"))? {
        Literal::Bool(is_fortran) => is_fortran,
        _ => return Err(corrupt("its \"fortran_order\" is neither True nor False")),
    };
    let Literal::Tuple(sizes) = shape.ok_or_else(|| missing("shape"))? else {
        return Err(corrupt("its \"shape\" is not a tuple"));
    };
    let size = |size: Literal| match size {
        Literal::Integer(Some(size)) => Ok(size),
        _ => Err(corrupt("its \"shape\" has an invalid size")),
    };
    let shape = sizes.into_iter().map(size).collect::<Result<Vec<_>, _>>()?;
    Layout::new(name, elements.dtype, &shape, is_fortran, elements.is_swapped)?
        .of_blocks(name, stack)
}

/// Returns the header of a record in C order and the machine's byte order. None if the format lacks
/// the dtype.
pub(crate) fn header(dtype: DType, shape: &[usize]) -> Option<Vec<u8>> {
    /// The multiple of bytes to which NumPy pads a header, so that elements are aligned.
    const ALIGNMENT: usize = 64;
    let kind = match dtype {
        DType::Bool => 'b',
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => 'i',
        DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64 => 'u',
        DType::Float16 | DType::Float32 | DType::Float64 => 'f',
        DType::Complex64 | DType::Complex128 => 'c',
        _ => return None,
    };
    let order = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "big") => '>',
        _ => '<',
    };
    let shape = shape.iter().map(|size| format!("{size}, ")).collect::<String>();
    let mut text = format!(
        "{{'descr': '{order}{kind}{}', 'fortran_order': False, 'shape': ({}), }}",
        dtype.size(),
        shape.trim_end()
    );
    let length = MAGIC.len() + 4 + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', length.next_multiple_of(ALIGNMENT) - length));
    text.push('\n');
    let mut header = [MAGIC, &[1, 0]].concat();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.into_bytes());
    Some(header)
}

/// Reads until the buffer is full or the bytes end. Returns the number of bytes.
pub(crate) fn read_all(
    name: &str,
    reader: &mut impl Read,
    mut buffer: &mut [u8],
) -> Result<usize, InputError> {
    let length = buffer.len();
    while !buffer.is_empty() {
        match reader.read(buffer) {
            Ok(0) => break,
            Ok(n_read) => buffer = &mut buffer[n_read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(InputError::Read { name: name.to_owned(), source }),
        }
    }
    Ok(length - buffer.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(descr: &str, order: &str, shape: &str) -> Vec<u8> {
        let text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Result<Option<Header>, String> {
        read_header("a.npy", &mut &*bytes, false)
            .map_err(|error| format!("{error}; {}", error.hint().unwrap_or_default()))
    }

    #[test]
    fn a_header_is_read_back() {
        for dtype in DType::ALL {
            let Some(bytes) = header(dtype, &[3, 4]) else {
                assert_eq!(dtype, DType::BFloat16);
                continue;
            };
            assert_eq!(bytes.len() % 64, 0);
            let header = read(&bytes).unwrap().unwrap();
            assert_eq!(header.n_bytes, bytes.len() as u64);
            assert_eq!(header.layout, Layout::new("", dtype, &[3, 4], false, false).unwrap());
        }
        assert_eq!(read(b""), Ok(None));
    }

    #[test]
    fn every_prefix_of_a_header_is_an_error() {
        let bytes = header(DType::Float32, &[3, 4]).unwrap();
        for end in 1..bytes.len() {
            let error = read(&bytes[..end]).unwrap_err();
            assert!(error.contains("ends early") && error.contains("a.npy"), "{error}");
        }
    }

    #[test]
    fn headers_are_checked() {
        let cases = [
            (record("'|O'", "False", "(3,)"), "a.npy holds pickled Python objects"),
            (record("'<U3'", "False", "(3,)"), "has dtype U3 (text), which is not supported"),
            (record("'<f16'", "False", "(3,)"), "longdouble"),
            (record("'<M8[ns]'", "False", "(3,)"), "datetime64[ns], which is not supported"),
            (record("[('x', '<f4')]", "False", "(3,)"), "has dtype structured (fields x)"),
            (record("'<V2'", "False", "(3,)"), "bfloat16"),
            (record("'<f4'", "False", "()"), "a single number"),
            (record("'<f4'", "False", "(9999999999, 9999999999)"), "does not fit into memory"),
            (record("'<f4'", "False", "(-1, 3)"), "corrupt"),
            (record("'<f4'", "3", "(1, 3)"), "corrupt"),
            (record("'<f4'", "False", "[[[["), "corrupt"),
            (b"\x93NUMPY\x04\x00\x02\x00{}".to_vec(), "format version 4"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "4294967295 bytes"),
            (b"PK\x03\x04".to_vec(), "a zip archive"),
            (b"Loading\xff".to_vec(), "begins with \"Loading\\xff\", which is not a .npy record"),
            (b"Epoch 1\n".to_vec(), "not a .npy record, but text: it begins with \"Epoch 1\\n\""),
        ];
        for (bytes, expected) in cases {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        // Sizes that overflow, and nesting that would overflow the stack.
        assert!(read(&record("'<f4'", "False", "(9999999999, 9999999999, 99)")).is_err());
        let nested = "[".repeat(60_000);
        assert!(read(&record("'<f4'", "False", &nested)).is_err());
    }
}
