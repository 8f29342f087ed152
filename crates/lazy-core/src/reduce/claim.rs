//! The memory that a sink claims under the limit of a pass.

use crate::SequenceSpec;
use crate::memory::Claim;

/// A share of the [memory limit](crate::LazyChunkSequence::with_memory_limit) of a pass, which a
/// reducer with memory of its own claims, such as a sink.
///
/// A reducer makes a claim when it [starts](crate::Reducer::start), and keeps it in its
/// [run](crate::Run). Statistics make such claims themselves. Dropping a claim gives it back.
///
/// # Example
///
/// A sink that buffers as much as other reducers leave it:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Cut, MemoryClaim, SequenceSpec};
///
/// let spec = SequenceSpec::streamed(Cut::Rows, None).with_memory_limit(1000);
/// let mut of_sink = MemoryClaim::new(&spec);
/// let mut of_other = MemoryClaim::new(&spec);
/// assert!(of_other.raise(300));
/// assert_eq!(of_sink.most(), Some(700));
/// assert!(!of_sink.raise(800) && of_sink.raise(700));
/// assert_eq!((of_sink.bytes(), of_other.most()), (700, Some(300)));
///
/// drop(of_sink);
/// assert_eq!(of_other.most(), Some(1000));
/// ```
#[derive(Debug)]
pub struct MemoryClaim(pub(crate) Claim);

impl MemoryClaim {
    /// Creates a claim of 0 bytes under the limit of the pass with this declaration.
    #[must_use]
    pub fn new(spec: &SequenceSpec) -> MemoryClaim {
        MemoryClaim(Claim::new(spec.memory()))
    }

    /// Returns the number of bytes that are claimed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Returns the largest number of bytes that the claim can have now: the limit without the bytes
    /// that other reducers have claimed. Returns `None` if no limit is declared.
    #[must_use]
    pub fn most(&self) -> Option<u64> {
        self.0.is_limited().then(|| self.0.most())
    }

    /// Raises the claim to `bytes`, if that is more than before. Returns false, and changes
    /// nothing, if the limit does not allow it. Without a declared limit, nothing is counted, and
    /// it returns true.
    #[must_use]
    pub fn raise(&mut self, bytes: u64) -> bool {
        let is_within = self.most().is_none_or(|most| bytes <= most);
        if is_within && self.0.is_limited() && bytes > self.bytes() {
            self.0.add(bytes - self.bytes());
        }
        is_within
    }
}
