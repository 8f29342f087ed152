//! Elements in memory that another library owns.

use std::ptr;

use lazy_chunks::DType;

use super::take::MANY_BYTES;

/// Elements in memory: their address, and the distances between them.
pub(super) struct Strided {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    /// The distance in bytes between two elements along each axis.
    pub(super) strides: Vec<isize>,
    /// The address of the first element. It may be unaligned, and null if there are no elements.
    pub(super) first: *const u8,
    /// True if the bytes of each number have the order of the other kind of machines.
    pub(super) is_swapped: bool,
}

// SAFETY: an address is plain data, which only `copy_to` follows.
unsafe impl Send for Strided {}
// SAFETY: as above.
unsafe impl Sync for Strided {}

impl Strided {
    /// Returns the size of the elements in bytes.
    pub(super) fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// Returns the bytes of the elements, if they are many and a block can have them as they are:
    /// they lie together in C order and in the byte order of the machine, and they are aligned and
    /// valid.
    pub(super) fn bytes(&self) -> Option<*const [u8]> {
        let n_bytes = self.n_bytes();
        let is_plain = n_bytes >= MANY_BYTES
            && !self.is_swapped
            // A view of other memory as booleans may have any bytes.
            && self.dtype != DType::Bool
            && self.first.addr().is_multiple_of(self.dtype.alignment())
            && self.runs().0.is_empty();
        is_plain.then(|| ptr::slice_from_raw_parts(self.first, n_bytes))
    }

    /// Copies the elements in C order and in the byte order of the machine.
    ///
    /// # Safety
    ///
    /// The memory of the elements must be readable, and nothing may write to it meanwhile.
    pub(super) unsafe fn copy_to(&self, destination: &mut [u8]) {
        assert_eq!(destination.len(), self.n_bytes(), "the destination has room for the elements");
        if destination.is_empty() {
            return;
        }
        let (axes, run) = self.runs();
        // SAFETY: the caller says that the elements are readable, and the axes and the run say where
        // they are. The destination has room for all of them.
        unsafe { copy(self.first, &axes, run, destination.as_mut_ptr()) };
        if self.is_swapped {
            swap(self.dtype, destination);
        }
        if self.dtype == DType::Bool {
            // A view of other memory as booleans may have any bytes.
            destination.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
    }

    /// Returns the size in bytes of the runs of elements that are next to each other in C order, and
    /// the axes along which the runs lie, as sizes and strides.
    fn runs(&self) -> (Vec<(usize, isize)>, usize) {
        let mut run = self.dtype.size();
        let axes = self.shape.iter().copied().zip(self.strides.iter().copied());
        let mut axes: Vec<_> = axes.filter(|(size, _)| *size != 1).collect();
        while let Some((size, _)) = axes.pop_if(|(_, stride)| *stride == run as isize) {
            run *= size;
        }
        (axes, run)
    }
}

/// Copies runs of bytes that lie along axes, one after the other. Returns the end of the copy.
///
/// # Safety
///
/// All runs must be readable, and the destination must have room for them.
unsafe fn copy(from: *const u8, axes: &[(usize, isize)], run: usize, to: *mut u8) -> *mut u8 {
    // SAFETY: the caller makes sure that all runs are readable and have room, so these are, too.
    unsafe {
        match axes {
            [] => {
                ptr::copy_nonoverlapping(from, to, run);
                to.add(run)
            }
            [(size, stride)] => match run {
                1 => copy_elements::<1>(from, *size, *stride, to),
                2 => copy_elements::<2>(from, *size, *stride, to),
                4 => copy_elements::<4>(from, *size, *stride, to),
                8 => copy_elements::<8>(from, *size, *stride, to),
                16 => copy_elements::<16>(from, *size, *stride, to),
                _ => copy_along(from, (*size, *stride), &[], run, to),
            },
            [first, rest @ ..] => copy_along(from, *first, rest, run, to),
        }
    }
}

/// # Safety
///
/// As for [`copy`], all runs must be readable, and the destination must have room for them.
unsafe fn copy_along(
    from: *const u8,
    (size, stride): (usize, isize),
    rest: &[(usize, isize)],
    run: usize,
    mut to: *mut u8,
) -> *mut u8 {
    for i in 0..size {
        // SAFETY: the caller makes sure that these runs are readable and have room.
        to = unsafe { copy(from.offset(i as isize * stride), rest, run, to) };
    }
    to
}

/// # Safety
///
/// As for [`copy`], all runs, of `N` bytes, must be readable, and the destination must have room for
/// them.
unsafe fn copy_elements<const N: usize>(
    from: *const u8,
    size: usize,
    stride: isize,
    to: *mut u8,
) -> *mut u8 {
    let to = to.cast::<[u8; N]>();
    for i in 0..size {
        // SAFETY: the caller makes sure of both places. An array of bytes has no alignment.
        unsafe { *to.add(i) = *from.offset(i as isize * stride).cast::<[u8; N]>() };
    }
    // SAFETY: the destination has room for the runs, and the result is where they end.
    unsafe { to.add(size).cast() }
}

/// Reverses the bytes of each number.
fn swap(dtype: DType, elements: &mut [u8]) {
    let n_numbers = if matches!(dtype, DType::Complex64 | DType::Complex128) { 2 } else { 1 };
    elements.chunks_exact_mut(dtype.size() / n_numbers).for_each(<[u8]>::reverse);
}
