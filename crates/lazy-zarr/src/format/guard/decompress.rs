//! Decompressors that stop at the maximum size of their output.

use std::io::{self, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::{GzDecoder, ZlibDecoder};

/// The compression format of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Zstd,
    Gzip,
    Zlib,
    Bzip2,
}

/// Decompresses to at most `limit` bytes. A few compressed bytes can stand for more bytes than
/// memory holds.
///
/// # Errors
///
/// Returns an error if the output is longer than the limit, if the input is damaged, or if memory
/// cannot hold the output.
pub(super) fn decompress(format: Format, encoded: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    match format {
        Format::Zstd => {
            let mut decoded = buffer(limit)?;
            zstd::bulk::Decompressor::new()?
                .decompress_to_buffer(encoded, &mut decoded)
                .map_err(|error| io::Error::other(format!("{error}; {}", at_most(limit))))?;
            Ok(decoded)
        }
        Format::Gzip => read_all(GzDecoder::new(encoded), limit),
        Format::Zlib => read_all(ZlibDecoder::new(encoded), limit),
        Format::Bzip2 => read_all(BzDecoder::new(encoded), limit),
    }
}

fn read_all(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut decoded = buffer(limit)?;
    // One more byte detects output that is too long, and makes the decoder read the checksum at the
    // end.
    reader.take((limit as u64).saturating_add(1)).read_to_end(&mut decoded)?;
    if decoded.len() > limit {
        return Err(io::Error::other(format!("it decompresses to more; {}", at_most(limit))));
    }
    Ok(decoded)
}

fn buffer(n_bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(n_bytes)?;
    Ok(buffer)
}

fn at_most(limit: usize) -> String {
    format!("it must have at most {limit} bytes")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn encoded(format: Format, bytes: &[u8]) -> Vec<u8> {
        match format {
            Format::Zstd => zstd::bulk::compress(bytes, 1).unwrap(),
            Format::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Format::Zlib => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Format::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), Default::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    #[test]
    fn what_fits_is_whole_and_what_does_not_is_refused() {
        for format in [Format::Zstd, Format::Gzip, Format::Zlib, Format::Bzip2] {
            for bytes in [&[][..], &[7], &[1; 1000], &(0..=255).collect::<Vec<_>>()] {
                let encoded = encoded(format, bytes);
                for limit in [bytes.len(), bytes.len() + 1, 5000] {
                    assert_eq!(decompress(format, &encoded, limit).unwrap(), bytes, "{format:?}");
                }
                for limit in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                    if limit < bytes.len() {
                        let error = decompress(format, &encoded, limit).unwrap_err().to_string();
                        let expected = format!("it must have at most {limit} bytes");
                        assert!(error.ends_with(&expected), "{format:?}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_checksum_at_the_end_is_checked() {
        for format in [Format::Gzip, Format::Zlib] {
            let mut encoded = encoded(format, &[1; 1000]);
            // The length follows the checksum in gzip.
            let checksum = encoded.len() - if matches!(format, Format::Gzip) { 8 } else { 4 };
            encoded[checksum] ^= 1;
            assert!(decompress(format, &encoded, 1000).is_err(), "{format:?}");
        }
    }
}
