//! The blocks with which converters are tested: unusual bits and shapes.

use bytes::Bytes;

use crate::{ArrayBlock, DType};

/// Returns a block of this shape whose elements are finite and differ from their neighbours.
pub(super) fn filled(dtype: DType, shape: &[usize]) -> ArrayBlock {
    let (n_parts, part) = parts(dtype);
    let part_size = dtype.size() / n_parts;
    let top_exponent_bit = 1_u64 << (8 * part_size - 2);
    let n_elements: usize = shape.iter().product();
    let bits = (0..(n_elements * n_parts) as u64).map(|i| {
        let bits = scrambled(i);
        match part {
            Part::Bool => bits & 1,
            Part::Integer => bits,
            Part::Float { .. } => bits & !top_exponent_bit,
        }
    });
    block(dtype, shape, bits.flat_map(|bits| native_bytes(bits, part_size)).collect())
}

/// Returns blocks with this many axes that together contain every element that a conversion may
/// spoil.
pub(super) fn special(dtype: DType, rank: usize) -> Vec<ArrayBlock> {
    let elements = special_elements(dtype);
    let Some(last) = rank.checked_sub(1) else {
        return elements.into_iter().map(|bytes| block(dtype, &[], bytes)).collect();
    };
    let mut shape = vec![1; rank];
    shape[last] = elements.len();
    vec![block(dtype, &shape, elements.concat())]
}

/// Returns a shape with this many axes, in which neighbours differ and no size is 0 or 1. From the
/// seventh axis on, the sizes are 1, to bound the memory.
pub(super) fn shape(rank: usize) -> Vec<usize> {
    let sizes = [2, 3, 5, 4, 2, 3];
    (0..rank).map(|axis| sizes.get(axis).copied().unwrap_or(1)).collect()
}

/// Returns a block with the same elements, in memory of its own.
pub(super) fn deep_copy(block: &ArrayBlock) -> ArrayBlock {
    self::block(block.dtype(), block.shape(), block.data().to_vec())
}

/// Returns a block with the same elements, in bytes that lie at `offset` of a longer buffer.
pub(super) fn at_offset(block: &ArrayBlock, offset: usize) -> ArrayBlock {
    let around = vec![1; offset];
    let bytes = Bytes::from([&around[..], block.data(), &around[..]].concat());
    let bytes = bytes.slice(offset..bytes.len() - offset);
    new(block.dtype(), block.shape(), bytes)
}

/// The meaning of the bits of an element, or of either half of a complex element.
enum Part {
    Bool,
    Integer,
    Float { exponent_bits: usize },
}

fn parts(dtype: DType) -> (usize, Part) {
    match dtype {
        DType::Bool => (1, Part::Bool),
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => (1, Part::Integer),
        DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64 => (1, Part::Integer),
        DType::Float16 => (1, Part::Float { exponent_bits: 5 }),
        DType::BFloat16 | DType::Float32 => (1, Part::Float { exponent_bits: 8 }),
        DType::Float64 => (1, Part::Float { exponent_bits: 11 }),
        DType::Complex64 => (2, Part::Float { exponent_bits: 8 }),
        DType::Complex128 => (2, Part::Float { exponent_bits: 11 }),
    }
}

fn special_elements(dtype: DType) -> Vec<Vec<u8>> {
    let (n_parts, part) = parts(dtype);
    let part_size = dtype.size() / n_parts;
    let patterns = match part {
        Part::Bool => vec![0, 1, 1, 0, 1],
        Part::Integer => special_integers(part_size),
        Part::Float { exponent_bits } => special_floats(part_size, exponent_bits),
    };
    // The parts of a complex element differ, so a conversion that swaps them is detected.
    let pattern = |i: usize| native_bytes(patterns[i % patterns.len()], part_size);
    (0..patterns.len()).map(|i| (0..n_parts).flat_map(|k| pattern(i + 5 * k)).collect()).collect()
}

/// Returns the extremes, and integers that a float or a sign extension would change.
fn special_integers(size: usize) -> Vec<u64> {
    let minimum = 1 << (8 * size - 1);
    let around_a_float = [24, 53].map(|mantissa_bits| (1 << mantissa_bits) + 1);
    let mut patterns =
        vec![0, 1, u64::MAX, minimum, minimum - 1, 0x80, 0x7f, 0x0123_4567_89ab_cdef];
    patterns.extend(around_a_float);
    patterns
}

/// Returns zeros, subnormals, infinities and NaNs with payloads, of both signs.
fn special_floats(size: usize, exponent_bits: usize) -> Vec<u64> {
    let mantissa_bits = 8 * size - 1 - exponent_bits;
    let sign = 1_u64 << (8 * size - 1);
    let mantissa = (1 << mantissa_bits) - 1;
    let infinity = ((1 << exponent_bits) - 1) << mantissa_bits;
    let one = ((1 << (exponent_bits - 1)) - 1) << mantissa_bits;
    let quiet_nan = infinity | (1 << (mantissa_bits - 1));
    let signalling_nan = infinity | 3;
    let mut patterns = vec![0, 1, mantissa, mantissa + 1, one, one + 1, infinity - 1, infinity];
    patterns.extend([quiet_nan, quiet_nan | 5, infinity | mantissa]);
    // The x87 unit makes signalling NaNs quiet when they merely pass through it.
    if !cfg!(target_arch = "x86") {
        patterns.push(signalling_nan);
    }
    patterns.into_iter().flat_map(|pattern| [pattern, pattern | sign]).collect()
}

/// Returns the low `size` bytes of a number, in native order.
fn native_bytes(bits: u64, size: usize) -> Vec<u8> {
    let mut bytes = bits.to_le_bytes()[..size].to_vec();
    if cfg!(target_endian = "big") {
        bytes.reverse();
    }
    bytes
}

/// Returns pseudorandom bits: step `i` of the generator `SplitMix64`.
fn scrambled(i: u64) -> u64 {
    let mut x = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn block(dtype: DType, shape: &[usize], bytes: Vec<u8>) -> ArrayBlock {
    new(dtype, shape, Bytes::from(bytes))
}

fn new(dtype: DType, shape: &[usize], bytes: Bytes) -> ArrayBlock {
    ArrayBlock::new(dtype, shape, bytes).expect("the bytes are those of a block")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_floats_are_what_they_are_called() {
        let block = &special(DType::Float32, 1)[0];
        let floats = block.as_slice::<f32>().unwrap();
        let bits = |float: f32| floats.iter().any(|&x| x.to_bits() == float.to_bits());
        for float in [0.0, 1.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::from_bits(1)] {
            assert!(bits(float) && bits(-float), "{float}");
        }
        let is_signalling = |x: f32| x.is_nan() && x.to_bits() & 0x40_0000 == 0;
        assert!(floats.iter().any(|&x| is_signalling(x)));
        let halves = &special(DType::Float16, 1)[0];
        assert!(halves.as_slice::<half::f16>().unwrap().contains(&half::f16::MAX));
    }

    #[test]
    fn filled_blocks_have_no_two_equal_rows() {
        for dtype in DType::ALL {
            let block = filled(dtype, &[2, 3, 20]);
            let rows: Vec<&[u8]> = block.data().chunks(20 * dtype.size()).collect();
            for (i, row) in rows.iter().enumerate() {
                assert!(!rows[..i].contains(row), "{dtype}");
            }
        }
        let halves = filled(DType::Float16, &[1000]);
        assert!(halves.as_slice::<half::f16>().unwrap().iter().all(|x| x.is_finite()));
    }
}
