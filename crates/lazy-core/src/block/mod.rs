//! Blocks: dense arrays whose dtype is known at run time.

mod cast;
mod parts;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use half::{bf16, f16};
use ndarray::{Array, ArrayD, ArrayView, ArrayViewD, Dimension};
use num_complex::Complex;

use crate::dtype::with_element;
use crate::error::Case;
use crate::real::{Real, not_real};
use crate::{DType, Element, Error, Result};

/// A dense array in C order whose dtype is known at run time. Converters turn every tensor type
/// into it.
///
/// Cloning shares the memory. The memory can belong to any owner, for example a tensor
/// ([`Bytes::from_owner`]), so a block of a dense tensor needs no copy. Two blocks are equal if
/// their dtype, their shape and all their bits are equal, so NaN equals itself.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, DType};
/// use ndarray::array;
///
/// let block = ArrayBlock::from_array(array![[1.0_f32, 2.0], [3.0, 4.0]]);
/// assert_eq!((block.dtype(), block.shape()), (DType::Float32, &[2, 2][..]));
/// assert_eq!(block.as_slice::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone)]
pub struct ArrayBlock {
    dtype: DType,
    shape: Vec<usize>,
    data: Bytes,
    /// The vector that contains `data`, if this crate made the block from a vector: an
    /// `Arc<Elements<A>>`, which `data` holds as well. [`into_array`](Self::into_array) returns the
    /// vector if no other block shares it.
    vector: Option<Arc<dyn Any + Send + Sync>>,
}

impl PartialEq for ArrayBlock {
    fn eq(&self, other: &ArrayBlock) -> bool {
        self.dtype == other.dtype && self.shape == other.shape && self.data == other.data
    }
}

impl Eq for ArrayBlock {}

impl ArrayBlock {
    /// Creates a block from native-endian bytes in C order.
    ///
    /// Bytes that are not aligned for the dtype are copied once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) if the number of bytes does not
    /// match the shape and the dtype, or if the dtype is bool and a byte is neither 0 nor 1.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>, data: Bytes) -> Result<ArrayBlock> {
        let shape = shape.into();
        let expected = size_in_bytes(dtype.size(), &shape);
        if expected != Some(data.len()) {
            return Err(Case::InvalidData { shape, dtype, expected, actual: data.len() }.into());
        }
        if dtype == DType::Bool
            && let Some(index) = data.iter().position(|&byte| byte > 1)
        {
            return Err(Case::InvalidBool { index, value: data[index] }.into());
        }
        let data = if data.as_ptr().align_offset(dtype.alignment()) == 0 {
            data
        } else {
            with_element!(dtype, A => aligned_copy::<A>(&data))
        };
        Ok(ArrayBlock { dtype, shape, data, vector: None })
    }

    /// Creates a block from elements in C order, without a copy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) if the number of elements does not
    /// match the shape.
    pub fn from_vec<A: Element>(
        shape: impl Into<Vec<usize>>,
        elements: Vec<A>,
    ) -> Result<ArrayBlock> {
        let shape = shape.into();
        let actual = size_of_val(elements.as_slice());
        let expected = size_in_bytes(size_of::<A>(), &shape);
        if expected != Some(actual) {
            return Err(Case::InvalidData { shape, dtype: A::DTYPE, expected, actual }.into());
        }
        Ok(ArrayBlock::of_vector(shape, elements))
    }

    /// Creates a block from bytes that are aligned and valid elements of this dtype, as many as the
    /// shape requires.
    pub(crate) fn of_elements(dtype: DType, shape: Vec<usize>, data: Bytes) -> ArrayBlock {
        debug_assert_eq!(size_in_bytes(dtype.size(), &shape), Some(data.len()));
        ArrayBlock { dtype, shape, data, vector: None }
    }

    /// Creates a block from as many elements as the shape requires.
    fn of_vector<A: Element>(shape: Vec<usize>, elements: Vec<A>) -> ArrayBlock {
        let elements = Arc::new(Elements(elements));
        let data = Bytes::from_owner(Shared(Arc::clone(&elements)));
        ArrayBlock { dtype: A::DTYPE, shape, data, vector: Some(elements) }
    }

    /// Creates a block from an ndarray, without a copy if the ndarray is in C order, and with one
    /// otherwise.
    pub fn from_array<A: Element, D: Dimension>(array: Array<A, D>) -> ArrayBlock {
        let shape = array.shape().to_vec();
        let elements = if array.is_standard_layout() {
            let n_elements = array.len();
            let (mut elements, offset) = array.into_raw_vec_and_offset();
            // The elements around a slice are dropped, and their memory is freed if it is large.
            elements.truncate(offset.unwrap_or(0) + n_elements);
            elements.drain(..offset.unwrap_or(0));
            if elements.capacity() / 2 > n_elements {
                elements.shrink_to_fit();
            }
            elements
        } else {
            array.iter().copied().collect()
        };
        ArrayBlock::of_vector(shape, elements)
    }

    /// Returns the block as one row: adds an axis of size 1 before the others. Nothing is copied.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::ArrayBlock;
    /// use ndarray::arr0;
    ///
    /// let vector = ArrayBlock::from_vec([3], vec![1.0, 2.0, 3.0])?;
    /// assert_eq!(vector.into_row().shape(), [1, 3]);
    /// assert_eq!(ArrayBlock::from_array(arr0(1.0)).into_row().shape(), [1]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn into_row(self) -> ArrayBlock {
        ArrayBlock { shape: [&[1], &self.shape[..]].concat(), ..self }
    }

    /// Returns the element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Returns the size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the number of elements.
    #[must_use]
    pub fn n_elements(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// Returns the bytes of the elements: native-endian, in C order.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns the elements in C order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DType`](crate::ErrorKind::DType) if `A` is not the element type of the block.
    pub fn as_slice<A: Element>(&self) -> Result<&[A]> {
        if A::DTYPE != self.dtype {
            return Err(Error::dtype_mismatch(A::DTYPE, self.dtype));
        }
        Ok(elements(&self.data))
    }

    /// Calls a function with each element as an `f64`, in C order. An integer beyond 2⁵³ becomes
    /// the nearest `f64`.
    ///
    /// [`view`](Self::view) returns the elements without a conversion.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) if the elements are
    /// complex.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::ArrayBlock;
    ///
    /// let mut sum = 0.0;
    /// ArrayBlock::from_vec([3], vec![1_u8, 2, 3])?.for_each_f64(|value| sum += value)?;
    /// assert_eq!(sum, 6.0);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn for_each_f64(&self, mut function: impl FnMut(f64)) -> Result<()> {
        with_element!(
            self.dtype,
            real A => elements::<A>(&self.data).iter().for_each(|x| function(x.to_f64())),
            _ => return Err(not_real("for_each_f64", self.dtype))
        );
        Ok(())
    }

    /// Returns the block as an ndarray view of dimension `D`. [`IxDyn`](type@ndarray::IxDyn) allows
    /// any number of axes.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::DType`](crate::ErrorKind::DType) if `A` is not the element type of the block.
    /// - [`ErrorKind::Shape`](crate::ErrorKind::Shape) if the number of axes of the block is not
    ///   the one of `D`.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::ArrayBlock;
    /// use ndarray::{ArrayView2, Ix1, Ix2};
    ///
    /// let block = ArrayBlock::from_vec([2, 3], vec![1_i64, 2, 3, 4, 5, 6])?;
    /// assert_eq!(block.as_array::<i64, Ix2>()?.row(1).sum(), 15);
    /// assert!(block.as_array::<f64, Ix2>().is_err());
    /// assert!(block.as_array::<i64, Ix1>().is_err());
    ///
    /// // The types can be inferred.
    /// let view: ArrayView2<'_, i64> = block.as_array()?;
    /// assert_eq!(view.dim(), (2, 3));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn as_array<A: Element, D: Dimension>(&self) -> Result<ArrayView<'_, A, D>> {
        let view = array_view(&self.shape, self.as_slice()?);
        view.into_dimensionality().map_err(|_| self.rank_mismatch::<D>())
    }

    /// Copies the block into an ndarray of dimension `D`.
    ///
    /// # Errors
    ///
    /// The errors of [`as_array`](Self::as_array).
    pub fn to_array<A: Element, D: Dimension>(&self) -> Result<Array<A, D>> {
        Ok(self.as_array()?.to_owned())
    }

    /// Turns the block into an ndarray of dimension `D`, without a copy if the block was made from
    /// a vector or an ndarray and no other block shares its memory, and with one otherwise.
    ///
    /// # Errors
    ///
    /// The errors of [`as_array`](Self::as_array).
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::ArrayBlock;
    /// use ndarray::Array2;
    ///
    /// let array = Array2::<f32>::zeros((100, 200));
    /// let memory = array.as_ptr();
    /// let block = ArrayBlock::from_array(array);
    /// let array: Array2<f32> = block.into_array()?;
    /// assert_eq!(array.as_ptr(), memory);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn into_array<A: Element, D: Dimension>(mut self) -> Result<Array<A, D>> {
        self.as_array::<A, D>()?;
        let vector = self.vector.take().and_then(|vector| vector.downcast::<Elements<A>>().ok());
        let Some(vector) = vector else { return self.to_array() };
        let data = mem::take(&mut self.data);
        let elements = match Arc::strong_count(&vector) {
            // This handle and the one in the bytes. If the bytes are not shared either, they drop
            // theirs.
            2 => {
                drop(data);
                Arc::try_unwrap(vector).map_or_else(|shared| shared.0.clone(), |Elements(it)| it)
            }
            _ => vector.0.clone(),
        };
        let array = array_of(&self.shape, elements);
        array.into_dimensionality().map_err(|_| self.rank_mismatch::<D>())
    }

    fn rank_mismatch<D: Dimension>(&self) -> Error {
        let (expected, shape) = (D::NDIM.unwrap_or_default(), self.shape.clone());
        Case::RankMismatch { expected, shape }.into()
    }

    /// Returns the block as a view of its own element type.
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

/// Creates a block from an ndarray, as [`ArrayBlock::from_array`] does.
impl<A: Element, D: Dimension> From<Array<A, D>> for ArrayBlock {
    fn from(array: Array<A, D>) -> ArrayBlock {
        ArrayBlock::from_array(array)
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
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, DynArrayView};
/// use ndarray::array;
///
/// /// Returns the sum of an array of floats, or `None` for other dtypes.
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

/// A vector of elements that is borrowed as bytes.
struct Elements<A>(Vec<A>);

/// A handle of a shared vector.
struct Shared<A>(Arc<Elements<A>>);

impl<A: Element> AsRef<[u8]> for Shared<A> {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl<A: Element> AsRef<[u8]> for Elements<A> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// Returns the size in bytes of a dense array whose elements have `element_size` bytes, or `None`
/// if it exceeds `isize::MAX`.
pub(crate) fn size_in_bytes(element_size: usize, shape: &[usize]) -> Option<usize> {
    // As in ndarray, the other sizes of an empty array count as well.
    let mut sizes = shape.iter().filter(|&&size| size > 0);
    let bytes = sizes.try_fold(element_size, |bytes, size| bytes.checked_mul(*size))?;
    isize::try_from(bytes).ok()?;
    Some(if shape.contains(&0) { 0 } else { bytes })
}

/// Views bytes as elements. A block checks and aligns its bytes when it is made.
fn elements<A: Element>(data: &[u8]) -> &[A] {
    if data.is_empty() {
        return &[];
    }
    bytemuck::checked::cast_slice(data)
}

fn array_view<'a, A>(shape: &[usize], elements: &'a [A]) -> ArrayViewD<'a, A> {
    ArrayViewD::from_shape(shape, elements).expect("a block has as many elements as its shape")
}

fn array_of<A>(shape: &[usize], elements: Vec<A>) -> ArrayD<A> {
    ArrayD::from_shape_vec(shape, elements).expect("a block has as many elements as its shape")
}

fn aligned_copy<A: Element>(data: &[u8]) -> Bytes {
    let elements: Vec<A> =
        data.chunks_exact(size_of::<A>()).map(bytemuck::checked::pod_read_unaligned::<A>).collect();
    Bytes::from_owner(Elements(elements))
}
