//! Headers of `.npy` records, and their elements in the order in which blocks have them.

use std::io::{self, Read};
use std::panic::catch_unwind;

use lazy_chunks::DType;
use npyz::{DType as NpyDType, Endianness, NpyHeader, Order, TypeChar};

use super::InputError;
use super::layout::Layout;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The magic string, the version, and the header's length in its longest form.
const PREFIX: usize = 12;

/// Headers of arrays of numbers have a hundred bytes or two.
const LONGEST: usize = 1 << 20;

/// What a record says of its elements, which follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) layout: Layout,
    /// The bytes of the header itself.
    pub(crate) n_bytes: u64,
}

/// Reads the header of a record; none where there are no more bytes.
pub(crate) fn read_header(
    name: &str,
    reader: &mut impl Read,
) -> Result<Option<Header>, InputError> {
    let corrupt =
        |reason: &str| InputError::Corrupt { name: name.to_owned(), reason: reason.into() };
    let mut bytes = vec![0; 8];
    let n_read = read_all(name, reader, &mut bytes)?;
    if n_read == 0 {
        return Ok(None);
    }
    if !MAGIC.starts_with(&bytes[..n_read.min(MAGIC.len())]) {
        return Err(corrupt("it does not begin as .npy records do"));
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
        version => return Err(corrupt(&format!("version {version} of the format is unknown"))),
    };
    let mut length = [0; 4];
    let n_read = read_all(name, reader, &mut length[..length_size])?;
    bytes.extend(&length[..n_read]);
    if n_read < length_size {
        return Err(ended(8 + length_size, 8 + n_read));
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(corrupt(&format!("its header is said to have {length} bytes")));
    }
    let start = bytes.len();
    debug_assert!(start <= PREFIX);
    bytes.resize(start + length, 0);
    let n_read = read_all(name, reader, &mut bytes[start..])?;
    if n_read < length {
        return Err(ended(start + length, start + n_read));
    }
    let layout = layout(name, &bytes, &bytes[start..])?;
    Ok(Some(Header { layout, n_bytes: bytes.len() as u64 }))
}

fn layout(name: &str, header: &[u8], text: &[u8]) -> Result<Layout, InputError> {
    // Whatever the text is, it is said by an error.
    let parsed = catch_unwind(|| NpyHeader::from_reader(header))
        .unwrap_or_else(|_| Err(io::Error::other("its header cannot be understood")));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(_) if holds_objects(text) => return Err(InputError::Objects { name: name.to_owned() }),
        Err(error) => {
            // What could not be parsed is told with a drawing of it.
            let error = error.to_string();
            let reason = match error.lines().next() {
                Some(line) if line == error && line.len() < 200 => error,
                _ => "its header is no description of an array".to_owned(),
            };
            return Err(InputError::Corrupt { name: name.to_owned(), reason });
        }
    };
    let unsupported = |dtype: String| InputError::UnsupportedDType { name: name.to_owned(), dtype };
    let NpyDType::Plain(type_str) = parsed.dtype() else {
        return Err(unsupported(parsed.dtype().descr()));
    };
    let (kind, size) = (type_str.type_char(), type_str.size_field());
    let dtype = dtype(kind, size).ok_or_else(|| unsupported(format!("{}{size}", kind.to_str())))?;
    Layout::new(
        name,
        dtype,
        parsed.shape(),
        parsed.order() == Order::Fortran,
        dtype.size() > 1 && type_str.endianness() != Endianness::of_machine(),
    )
}

/// Whether the elements are Python's objects: the one type that is pickled.
fn holds_objects(text: &[u8]) -> bool {
    text.windows(2).any(|pair| matches!(pair, b"|O" | b"'O" | b"\"O"))
}

fn dtype(kind: TypeChar, size: u64) -> Option<DType> {
    Some(match (kind, size) {
        (TypeChar::Bool, 1) => DType::Bool,
        (TypeChar::Int, 1) => DType::Int8,
        (TypeChar::Int, 2) => DType::Int16,
        (TypeChar::Int, 4) => DType::Int32,
        (TypeChar::Int, 8) => DType::Int64,
        (TypeChar::Uint, 1) => DType::UInt8,
        (TypeChar::Uint, 2) => DType::UInt16,
        (TypeChar::Uint, 4) => DType::UInt32,
        (TypeChar::Uint, 8) => DType::UInt64,
        (TypeChar::Float, 2) => DType::Float16,
        (TypeChar::Float, 4) => DType::Float32,
        (TypeChar::Float, 8) => DType::Float64,
        (TypeChar::Complex, 8) => DType::Complex64,
        (TypeChar::Complex, 16) => DType::Complex128,
        _ => return None,
    })
}

/// The header of a record in C order and the machine's byte order; none where the format has no such dtype.
pub(crate) fn header(dtype: DType, shape: &[usize]) -> Option<Vec<u8>> {
    /// NumPy pads to as much, so that elements are aligned.
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

/// Fills what there is to be filled, as far as there are bytes, and says how many there were.
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
        read_header("a.npy", &mut &*bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
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
    fn every_beginning_of_a_header_has_an_error() {
        let bytes = header(DType::Float32, &[3, 4]).unwrap();
        for end in 1..bytes.len() {
            let error = read(&bytes[..end]).unwrap_err();
            assert!(error.contains("ends in the middle") && error.contains("a.npy"), "{error}");
        }
    }

    #[test]
    fn no_header_is_believed() {
        let cases = [
            (record("'|O'", "False", "(3,)"), "a.npy holds Python objects"),
            (record("'<U3'", "False", "(3,)"), "has the dtype U3, which Zarr has not"),
            (record("[('x', '<f4')]", "False", "(3,)"), "has the dtype [('x', '<f4'), ]"),
            (record("'<V2'", "False", "(3,)"), "bfloat16"),
            (record("'<f4'", "False", "()"), "one number without an axis"),
            (record("'<f4'", "False", "(9999999999, 999999999)"), "memory cannot hold"),
            (record("'<f4'", "False", "(-1, 3)"), "corrupt"),
            (record("'<f4'", "3", "(1, 3)"), "corrupt"),
            (record("'<f4'", "False", "[[[["), "corrupt"),
            (b"\x93NUMPY\x04\x00\x02\x00{}".to_vec(), "version 4 of the format"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "4294967295 bytes"),
            (b"PK\x03\x04".to_vec(), "does not begin as .npy records do"),
        ];
        for (bytes, expected) in cases {
            let error = read(&bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        // Sizes beyond numbers, and nesting beyond the stack.
        assert!(read(&record("'<f4'", "False", "(9999999999, 9999999999, 99)")).is_err());
        let nested = "[".repeat(60_000);
        assert!(read(&record("'<f4'", "False", &nested)).is_err());
    }
}
