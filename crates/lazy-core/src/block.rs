//! The block: a dense array whose dtype is known at run time.

use std::fmt;

use bytes::Bytes;
use half::{bf16, f16};
use ndarray::{Array, ArrayViewD, Dimension};
use num_complex::Complex;

use crate::dtype::with_element;
use crate::statistics::{Real, not_real};
use crate::{DType, Element, Error, Result};

/// A dense array in C order, of a dtype known at run time: what every tensor type is converted to.
///
/// Cloning shares the memory. The data may be any owner's, a tensor's included
/// ([`Bytes::from_owner`]), so a block is made without a copy where the tensor is dense.
/// Two blocks are equal when dtype, shape and every bit are, so NaN equals itself.
///
/// # Example
///
/// ```
/// use lazy_core::{ArrayBlock, DType};
/// use ndarray::array;
///
/// let block = ArrayBlock::from_array(array![[1.0_f32, 2.0], [3.0, 4.0]]);
/// assert_eq!((block.dtype(), block.shape()), (DType::Float32, &[2, 2][..]));
/// assert_eq!(block.as_slice::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ArrayBlock {
    dtype: DType,
    shape: Vec<usize>,
    data: Bytes,
}

impl ArrayBlock {
    /// Makes a block of native-endian bytes in C order.
    ///
    /// Memory that is not aligned for the dtype is copied once.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidData`] when the bytes are not as many as shape and dtype ask for.
    /// - [`Error::InvalidBool`] when the dtype is bool and a byte is neither 0 nor 1.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>, data: Bytes) -> Result<ArrayBlock> {
        let shape = shape.into();
        let expected = size_in_bytes(dtype, &shape);
        if expected != Some(data.len()) {
            return Err(Error::InvalidData { shape, dtype, expected, actual: data.len() });
        }
        if dtype == DType::Bool
            && let Some(index) = data.iter().position(|&byte| byte > 1)
        {
            return Err(Error::InvalidBool { index, value: data[index] });
        }
        let data = if data.as_ptr().align_offset(dtype.alignment()) == 0 {
            data
        } else {
            with_element!(dtype, A => aligned_copy::<A>(&data))
        };
        Ok(ArrayBlock { dtype, shape, data })
    }

    /// Makes a block of elements in C order, without a copy.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidData`] when the elements are not as many as the shape asks for.
    pub fn from_vec<A: Element>(
        shape: impl Into<Vec<usize>>,
        elements: Vec<A>,
    ) -> Result<ArrayBlock> {
        let shape = shape.into();
        let actual = size_of_val(elements.as_slice());
        let expected = size_in_bytes(A::DTYPE, &shape);
        if expected != Some(actual) {
            return Err(Error::InvalidData { shape, dtype: A::DTYPE, expected, actual });
        }
        Ok(ArrayBlock { dtype: A::DTYPE, shape, data: Bytes::from_owner(Elements(elements)) })
    }

    /// Makes a block of what lends elements of this dtype as bytes, as many as the shape asks for.
    pub(crate) fn of_elements(dtype: DType, shape: Vec<usize>, data: Bytes) -> ArrayBlock {
        debug_assert_eq!(size_in_bytes(dtype, &shape), Some(data.len()));
        ArrayBlock { dtype, shape, data }
    }

    /// Makes a block of an ndarray: without a copy when it is in C order, else with one.
    pub fn from_array<A: Element, D: Dimension>(array: Array<A, D>) -> ArrayBlock {
        let shape = array.shape().to_vec();
        let elements = if array.is_standard_layout() {
            let n_elements = array.len();
            let (mut elements, offset) = array.into_raw_vec_and_offset();
            // What lies around a slice is dropped, and its memory given back where it is much.
            elements.truncate(offset.unwrap_or(0) + n_elements);
            elements.drain(..offset.unwrap_or(0));
            if elements.capacity() / 2 > n_elements {
                elements.shrink_to_fit();
            }
            elements
        } else {
            array.iter().copied().collect()
        };
        ArrayBlock { dtype: A::DTYPE, shape, data: Bytes::from_owner(Elements(elements)) }
    }

    /// Returns the block as one row: with another axis, of size 1, before the others. Nothing is copied.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::ArrayBlock;
    /// use ndarray::arr0;
    ///
    /// let vector = ArrayBlock::from_vec([3], vec![1.0, 2.0, 3.0])?;
    /// assert_eq!(vector.into_row().shape(), [1, 3]);
    /// assert_eq!(ArrayBlock::from_array(arr0(1.0)).into_row().shape(), [1]);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    #[must_use]
    pub fn into_row(self) -> ArrayBlock {
        ArrayBlock { shape: [&[1], &self.shape[..]].concat(), ..self }
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    #[must_use]
    pub fn n_elements(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// The elements' bytes, native-endian, in C order.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The elements in C order.
    ///
    /// # Errors
    ///
    /// [`Error::DTypeMismatch`] when `A` is not the block's element type.
    pub fn as_slice<A: Element>(&self) -> Result<&[A]> {
        if A::DTYPE != self.dtype {
            return Err(Error::DTypeMismatch { expected: A::DTYPE, actual: self.dtype });
        }
        Ok(elements(&self.data))
    }

    /// Calls a function with each element as `f64`, in C order: the nearest, for integers beyond 2⁵³.
    ///
    /// [`view`](Self::view) hands out the elements as what they are.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedDType`] when the elements are complex.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::ArrayBlock;
    ///
    /// let mut sum = 0.0;
    /// ArrayBlock::from_vec([3], vec![1_u8, 2, 3])?.for_each_f64(|value| sum += value)?;
    /// assert_eq!(sum, 6.0);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    pub fn for_each_f64(&self, mut function: impl FnMut(f64)) -> Result<()> {
        with_element!(
            self.dtype,
            real A => elements::<A>(&self.data).iter().for_each(|x| function(x.to_f64())),
            _ => return Err(not_real("for_each_f64", self.dtype))
        );
        Ok(())
    }

    /// The block as an ndarray view of dynamic dimension.
    ///
    /// # Errors
    ///
    /// [`Error::DTypeMismatch`] when `A` is not the block's element type.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::ArrayBlock;
    ///
    /// let block = ArrayBlock::from_vec([2, 3], vec![1_i64, 2, 3, 4, 5, 6])?;
    /// assert_eq!(block.as_array::<i64>()?[[1, 0]], 4);
    /// assert!(block.as_array::<f64>().is_err());
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    pub fn as_array<A: Element>(&self) -> Result<ArrayViewD<'_, A>> {
        self.as_slice().map(|elements| array_view(&self.shape, elements))
    }

    /// The block as an owned ndarray of dimension `D`, copied once.
    ///
    /// # Errors
    ///
    /// - [`Error::DTypeMismatch`] when `A` is not the block's element type.
    /// - [`Error::RankMismatch`] when the block has another number of axes than `D`.
    pub fn to_array<A: Element, D: Dimension>(&self) -> Result<Array<A, D>> {
        let view = self.as_array::<A>()?;
        match view.into_dimensionality::<D>() {
            Ok(view) => Ok(view.to_owned()),
            Err(_) => Err(Error::RankMismatch {
                expected: D::NDIM.unwrap_or_default(),
                shape: self.shape.clone(),
            }),
        }
    }

    /// The block as a view of whichever element type it has.
    #[must_use]
    pub fn view(&self) -> DynArrayView<'_> {
        macro_rules! views {
            ($($variant:ident)*) => {
                match self.dtype {
                    $(DType::$variant => {
                        DynArrayView::$variant(array_view(&self.shape, elements(&self.data)))
                    })*
                }
            };
        }
        views!(Bool Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 BFloat16 Float32
               Float64 Complex64 Complex128)
    }
}

impl fmt::Debug for ArrayBlock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ArrayBlock {{ dtype: {}, shape: {:?} }}", self.dtype, self.shape)
    }
}

/// A view of a block as an ndarray of its own element type.
///
/// # Example
///
/// ```
/// use lazy_core::{ArrayBlock, DynArrayView};
/// use ndarray::array;
///
/// /// The sum of an array of floats; none for other dtypes.
/// fn sum(block: &ArrayBlock) -> Option<f64> {
///     match block.view() {
///         DynArrayView::Float32(view) => Some(view.iter().copied().map(f64::from).sum()),
///         DynArrayView::Float64(view) => Some(view.sum()),
///         _ => None,
///     }
/// }
///
/// assert_eq!(sum(&ArrayBlock::from_array(array![[0.5_f32, 1.5]])), Some(2.0));
/// assert_eq!(sum(&ArrayBlock::from_array(array![[1, 2]])), None);
/// ```
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each variant is the dtype of the same name")]
pub enum DynArrayView<'a> {
    Bool(ArrayViewD<'a, bool>),
    Int8(ArrayViewD<'a, i8>),
    Int16(ArrayViewD<'a, i16>),
    Int32(ArrayViewD<'a, i32>),
    Int64(ArrayViewD<'a, i64>),
    UInt8(ArrayViewD<'a, u8>),
    UInt16(ArrayViewD<'a, u16>),
    UInt32(ArrayViewD<'a, u32>),
    UInt64(ArrayViewD<'a, u64>),
    Float16(ArrayViewD<'a, f16>),
    BFloat16(ArrayViewD<'a, bf16>),
    Float32(ArrayViewD<'a, f32>),
    Float64(ArrayViewD<'a, f64>),
    Complex64(ArrayViewD<'a, Complex<f32>>),
    Complex128(ArrayViewD<'a, Complex<f64>>),
}

/// Lends a vector of elements as bytes.
struct Elements<A>(Vec<A>);

impl<A: Element> AsRef<[u8]> for Elements<A> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// The bytes of a dense array; none when they are more than memory can hold.
pub(crate) fn size_in_bytes(dtype: DType, shape: &[usize]) -> Option<usize> {
    // As in ndarray, an empty array's other sizes count as well.
    let mut sizes = shape.iter().filter(|&&size| size > 0);
    let bytes = sizes.try_fold(dtype.size(), |bytes, size| bytes.checked_mul(*size))?;
    isize::try_from(bytes).ok()?;
    Some(if shape.contains(&0) { 0 } else { bytes })
}

/// Views bytes as elements; a block's bytes were checked and aligned when it was made.
fn elements<A: Element>(data: &[u8]) -> &[A] {
    if data.is_empty() {
        return &[];
    }
    bytemuck::checked::cast_slice(data)
}

fn array_view<'a, A>(shape: &[usize], elements: &'a [A]) -> ArrayViewD<'a, A> {
    ArrayViewD::from_shape(shape, elements).expect("a block has as many elements as its shape")
}

fn aligned_copy<A: Element>(data: &[u8]) -> Bytes {
    let elements: Vec<A> =
        data.chunks_exact(size_of::<A>()).map(bytemuck::checked::pod_read_unaligned::<A>).collect();
    Bytes::from_owner(Elements(elements))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array, s};

    use super::*;

    #[test]
    fn dense_arrays_are_taken_without_a_copy() {
        let array = Array2::<f64>::zeros((3, 4));
        let pointer = array.as_ptr().cast::<u8>();
        assert_eq!(ArrayBlock::from_array(array).data().as_ptr(), pointer);
    }

    #[test]
    fn every_layout_becomes_c_order() {
        let array = array![[1, 2, 3], [4, 5, 6]];
        let expected = ArrayBlock::from_vec([2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
        let fortran = array.t().as_standard_layout().reversed_axes().to_owned();
        assert_eq!(ArrayBlock::from_array(fortran), expected);
        assert_eq!(
            ArrayBlock::from_array(array.clone().slice_move(s![1.., ..])),
            ArrayBlock::from_vec([1, 3], vec![4, 5, 6]).unwrap()
        );
        assert_eq!(
            ArrayBlock::from_array(array.clone().slice_move(s![..1, ..])),
            ArrayBlock::from_vec([1, 3], vec![1, 2, 3]).unwrap()
        );
        assert_eq!(
            ArrayBlock::from_array(array.slice_move(s![..;-1, ..])),
            ArrayBlock::from_vec([2, 3], vec![4, 5, 6, 1, 2, 3]).unwrap()
        );
    }

    #[test]
    fn misaligned_bytes_are_realigned() {
        for dtype in DType::ALL {
            let bytes: Vec<u8> = (0..=2 * dtype.size()).map(|i| (i % 2) as u8).collect();
            for start in 0..2 {
                let data = Bytes::from(bytes.clone()).slice(start..start + 2 * dtype.size());
                let block = ArrayBlock::new(dtype, [2], data.clone()).unwrap();
                assert_eq!(block.data(), &data);
                with_element!(dtype, A => assert_eq!(block.as_slice::<A>().unwrap().len(), 2));
            }
        }
    }

    #[test]
    fn wrong_sizes_and_bools_are_refused() {
        let bytes = Bytes::from_static(&[1, 0, 2]);
        assert!(matches!(
            ArrayBlock::new(DType::UInt8, [2], bytes.clone()),
            Err(Error::InvalidData { expected: Some(2), actual: 3, .. })
        ));
        assert!(matches!(
            ArrayBlock::new(DType::UInt16, [usize::MAX, 2], bytes.clone()),
            Err(Error::InvalidData { expected: None, .. })
        ));
        assert!(matches!(
            ArrayBlock::new(DType::Bool, [3], bytes),
            Err(Error::InvalidBool { index: 2, value: 2 })
        ));
        let empty = |shape| ArrayBlock::new(DType::Int16, shape, Bytes::new());
        assert_eq!(empty([7, 9, 0]).unwrap().as_array::<i16>().unwrap().shape(), [7, 9, 0]);
        assert!(matches!(
            empty([usize::MAX, usize::MAX, 0]),
            Err(Error::InvalidData { expected: None, .. })
        ));
    }

    #[test]
    fn nothing_is_cast() {
        let block = ArrayBlock::from_vec([2], vec![1_i32, 2]).unwrap();
        assert!(matches!(
            block.as_slice::<u32>(),
            Err(Error::DTypeMismatch { expected: DType::UInt32, actual: DType::Int32 })
        ));
        assert!(matches!(
            block.to_array::<i32, ndarray::Ix2>(),
            Err(Error::RankMismatch { expected: 2, .. })
        ));
        assert!(
            matches!(block.view(), DynArrayView::Int32(view) if view == array![1, 2].into_dyn())
        );
    }
}
