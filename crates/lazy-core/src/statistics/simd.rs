//! Loops over elements, compiled for several generations of processors.

use std::sync::LazyLock;

use pulp::Arch;

static PROCESSOR: LazyLock<Arch> = LazyLock::new(Arch::new);

/// Calls a function with the widest vectors of the processor.
///
/// The compiler vectorizes the loops that are inlined into it. It keeps the order of the operations,
/// which the code determines, so the result is the same with vectors of any width.
#[inline]
pub(super) fn with_widest_vectors<T>(function: impl FnOnce() -> T) -> T {
    PROCESSOR.dispatch(function)
}

/// Asks the processor for the memory of elements that come later, so that it arrives while others are
/// computed with. Otherwise, the processor reads and computes by turns.
#[inline(always)]
pub(super) fn fetch<A>(elements: &[A]) {
    #[cfg(target_arch = "x86_64")]
    {
        /// The size of a line of the cache.
        const LINE: usize = 64;
        for element in elements.iter().step_by(LINE / size_of::<A>()) {
            safe_arch::prefetch_t0(element);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = elements;
}

#[cfg(test)]
pub(super) mod tests {
    /// Returns the results of a function with the vectors of the target, and with all wider ones
    /// that the processor has.
    pub(crate) fn with_all_vectors<T>(function: impl Fn() -> T) -> Vec<T> {
        let mut results = vec![function()];
        #[cfg(target_arch = "x86_64")]
        {
            use pulp::x86::{V3, V4};

            results.extend(V3::try_new().map(|wide| wide.vectorize(&function)));
            results.extend(V4::try_new().map(|wide| wide.vectorize(&function)));
        }
        results
    }
}
