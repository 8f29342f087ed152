//! Conversion of the elements of a block to another dtype.

use half::{bf16, f16};
use num_complex::Complex;

use super::ArrayBlock;
use crate::dtype::with_element;
use crate::error::Case;
use crate::{Casting, DType, Element, Result};

impl Casting {
    /// Checks that elements of `from` may be cast to `to`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DType`](crate::ErrorKind::DType) if this does not [allow](Self::allows) the
    /// cast.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Casting, DType};
    ///
    /// assert!(Casting::SameKind.check(DType::Float32, DType::Float16).is_ok());
    /// let error = Casting::SameKind.check(DType::Float32, DType::Int8).unwrap_err();
    /// assert_eq!(error.to_string(), "a cast of float32 to int8 may change values");
    /// ```
    pub fn check(self, from: DType, to: DType) -> Result<()> {
        if self.allows(from, to) {
            return Ok(());
        }
        let allows = |casting: &Casting| casting.allows(from, to);
        let needed = Some(Casting::SameKind).filter(allows).unwrap_or(Casting::Unsafe);
        Err(Case::Cast { from, to, needed }.into())
    }
}

/// An element that any element can be cast to.
trait CastTo: Element {
    fn from_u64(x: u64) -> Self;
    fn from_i64(x: i64) -> Self;
    fn from_f64(x: f64) -> Self;

    fn from_f32(x: f32) -> Self {
        Self::from_f64(x.into())
    }

    fn from_complex(re: f64, im: f64) -> Self {
        let _ = im;
        Self::from_f64(re)
    }
}

/// An element that can be cast to any element.
trait CastFrom: Element {
    fn cast<B: CastTo>(self) -> B;
}

macro_rules! numbers {
    ($($type:ty: $wide:ident $from:ident,)*) => {
        $(
            impl CastTo for $type {
                fn from_u64(x: u64) -> Self {
                    x as $type
                }

                fn from_i64(x: i64) -> Self {
                    x as $type
                }

                fn from_f64(x: f64) -> Self {
                    x as $type
                }
            }

            impl CastFrom for $type {
                fn cast<B: CastTo>(self) -> B {
                    B::$from($wide::from(self))
                }
            }
        )*
    };
}

numbers! {
    i8: i64 from_i64,
    i16: i64 from_i64,
    i32: i64 from_i64,
    i64: i64 from_i64,
    u8: u64 from_u64,
    u16: u64 from_u64,
    u32: u64 from_u64,
    u64: u64 from_u64,
    f32: f32 from_f32,
    f64: f64 from_f64,
}

macro_rules! half_floats {
    ($($type:ident)*) => {
        $(
            impl CastTo for $type {
                fn from_u64(x: u64) -> Self {
                    $type::from_f64(x as f64)
                }

                fn from_i64(x: i64) -> Self {
                    $type::from_f64(x as f64)
                }

                fn from_f64(x: f64) -> Self {
                    $type::from_f64(x)
                }

                fn from_f32(x: f32) -> Self {
                    $type::from_f32(x)
                }
            }

            impl CastFrom for $type {
                fn cast<B: CastTo>(self) -> B {
                    B::from_f32(self.to_f32())
                }
            }
        )*
    };
}

half_floats! { f16 bf16 }

impl CastTo for bool {
    fn from_u64(x: u64) -> bool {
        x != 0
    }

    fn from_i64(x: i64) -> bool {
        x != 0
    }

    fn from_f64(x: f64) -> bool {
        x != 0.0
    }

    fn from_complex(re: f64, im: f64) -> bool {
        re != 0.0 || im != 0.0
    }
}

impl CastFrom for bool {
    fn cast<B: CastTo>(self) -> B {
        B::from_u64(self.into())
    }
}

macro_rules! complex_numbers {
    ($($type:ty)*) => {
        $(
            impl CastTo for Complex<$type> {
                fn from_u64(x: u64) -> Self {
                    Complex::new(x as $type, 0.0)
                }

                fn from_i64(x: i64) -> Self {
                    Complex::new(x as $type, 0.0)
                }

                fn from_f64(x: f64) -> Self {
                    Complex::new(x as $type, 0.0)
                }

                fn from_complex(re: f64, im: f64) -> Self {
                    Complex::new(re as $type, im as $type)
                }
            }

            impl CastFrom for Complex<$type> {
                fn cast<B: CastTo>(self) -> B {
                    B::from_complex(self.re.into(), self.im.into())
                }
            }
        )*
    };
}

complex_numbers! { f32 f64 }

impl ArrayBlock {
    /// Converts the elements to another dtype, as `astype` of NumPy does. Without a copy if the
    /// block has the dtype.
    ///
    /// Floats are rounded to the nearest value, and become infinite if they are too large. Integers
    /// wrap around. A float as an integer loses its fraction; NaN becomes 0, and a float beyond the
    /// range becomes the nearest integer of the range, where NumPy's result depends on the machine.
    /// As a bool, everything but 0 is true.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DType`](crate::ErrorKind::DType) if `casting` does not allow the cast.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArrayBlock, Casting, DType};
    ///
    /// let block = ArrayBlock::from_vec([3], vec![1.5_f32, -0.25, 1e9])?;
    /// assert_eq!(block.cast(DType::Float64, Casting::Safe)?.as_slice::<f64>()?, [1.5, -0.25, 1e9]);
    /// assert_eq!(block.cast(DType::Int8, Casting::Unsafe)?.as_slice::<i8>()?, [1, 0, 127]);
    ///
    /// let error = block.cast(DType::Float16, Casting::Safe).unwrap_err();
    /// assert_eq!(error.to_string(), "a cast of float32 to float16 may change values");
    /// assert_eq!(error.hint().as_deref(), Some("allow it with `Casting::SameKind`"));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn cast(&self, dtype: DType, casting: Casting) -> Result<ArrayBlock> {
        casting.check(self.dtype, dtype)?;
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        with_element!(self.dtype, A => with_element!(dtype, B => self.cast_elements::<A, B>()))
    }

    fn cast_elements<A: CastFrom, B: CastTo>(&self) -> Result<ArrayBlock> {
        let elements = self.as_slice::<A>()?.iter().map(|x| x.cast::<B>()).collect();
        Ok(ArrayBlock::of_vector(self.shape.clone(), elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::casting::{Kind, kind};

    /// Values at the limits of every dtype.
    fn block(dtype: DType) -> ArrayBlock {
        let values =
            [0.0, 1.0, -1.0, 127.0, 128.0, 255.0, 256.0, 65504.0, 65505.0, 0.1, 3e38, 1e300];
        let floats = ArrayBlock::from_vec([values.len()], values.to_vec()).unwrap();
        floats.cast(dtype, Casting::Unsafe).unwrap()
    }

    #[test]
    fn a_safe_cast_and_the_cast_back_change_nothing() {
        for from in DType::ALL {
            for to in DType::ALL {
                let block = block(from);
                if Casting::Safe.allows(from, to) {
                    let there = block.cast(to, Casting::Safe).unwrap();
                    assert_eq!(there.cast(from, Casting::Unsafe).unwrap(), block, "{from} {to}");
                }
            }
        }
    }

    #[test]
    fn an_unsafe_cast_of_some_value_changes_it() {
        // For each dtype, values that no smaller dtype holds.
        let sharp = |dtype: DType| match dtype {
            DType::Bool => ArrayBlock::from_vec([1], vec![true]),
            DType::Int8 => ArrayBlock::from_vec([2], vec![-1_i8, 0x55]),
            DType::Int16 => ArrayBlock::from_vec([2], vec![-1_i16, 0x5555]),
            DType::Int32 => ArrayBlock::from_vec([2], vec![-1_i32, 0x5555_5555]),
            DType::Int64 => ArrayBlock::from_vec([2], vec![-1_i64, (1 << 62) + 1]),
            DType::UInt8 => ArrayBlock::from_vec([1], vec![0xd5_u8]),
            DType::UInt16 => ArrayBlock::from_vec([1], vec![0xaaab_u16]),
            DType::UInt32 => ArrayBlock::from_vec([1], vec![0xaaaa_aaab_u32]),
            DType::UInt64 => ArrayBlock::from_vec([1], vec![(1_u64 << 63) + 1]),
            DType::Float16 => ArrayBlock::from_vec([1], vec![f16::from_f32(0.333)]),
            DType::BFloat16 => ArrayBlock::from_vec([1], vec![bf16::from_f32(1e38)]),
            DType::Float32 => ArrayBlock::from_vec([1], vec![0.333_f32]),
            DType::Float64 => ArrayBlock::from_vec([1], vec![1.0 / 3.0]),
            DType::Complex64 => ArrayBlock::from_vec([1], vec![Complex::new(0.333_f32, 1.0)]),
            DType::Complex128 => ArrayBlock::from_vec([1], vec![Complex::new(1.0 / 3.0, 1.0)]),
        };
        for from in DType::ALL {
            for to in DType::ALL {
                let block = sharp(from).unwrap();
                let back = block.cast(to, Casting::Unsafe).unwrap().cast(from, Casting::Unsafe);
                // Integers wrap around there and back.
                let wraps = matches!(
                    (kind(from), kind(to)),
                    (Kind::Signed, Kind::Unsigned) | (Kind::Unsigned, Kind::Signed)
                );
                if !wraps {
                    assert_eq!(
                        back.unwrap() == block,
                        Casting::Safe.allows(from, to),
                        "{from} {to}"
                    );
                }
                assert!(Casting::SameKind.allows(from, to) || !Casting::Safe.allows(from, to));
            }
        }
    }

    #[test]
    fn elements_become_what_numpy_makes_of_them() {
        let ints = ArrayBlock::from_vec([3], vec![300_i64, -1, 1 << 40]).unwrap();
        let cast = |block: &ArrayBlock, dtype| block.cast(dtype, Casting::Unsafe).unwrap();
        assert_eq!(cast(&ints, DType::UInt8).as_slice::<u8>().unwrap(), [44, 255, 0]);
        assert_eq!(cast(&ints, DType::Bool).as_slice::<bool>().unwrap(), [true; 3]);
        let floats = ArrayBlock::from_vec([4], vec![f64::NAN, -1.9, 1e300, 0.0]).unwrap();
        assert_eq!(cast(&floats, DType::Int32).as_slice::<i32>().unwrap(), [0, -1, i32::MAX, 0]);
        assert_eq!(
            cast(&floats, DType::Bool).as_slice::<bool>().unwrap(),
            [true, true, true, false]
        );
        let halves = cast(&floats, DType::Float16);
        assert!(halves.as_slice::<f16>().unwrap()[2].is_infinite());
        let complex = ArrayBlock::from_vec([1], vec![Complex::new(2.5_f32, 1.0)]).unwrap();
        assert_eq!(cast(&complex, DType::Float64).as_slice::<f64>().unwrap(), [2.5]);
    }
}
