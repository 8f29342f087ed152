//! Blocks that several blocks of an evaluation need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Evaluation, Failure};

/// Blocks that are kept between requests of one evaluation, so that each is computed once.
///
/// If several threads need a block at the same time, one computes it and the others wait.
pub(crate) struct Kept<T> {
    blocks: Mutex<HashMap<(Evaluation, usize), Slot<T>>>,
}

struct Slot<T> {
    /// `None` until the block is computed. A thread computes the block while it holds the lock.
    block: Arc<Mutex<Option<T>>>,
    /// The number of the last request that needs the block.
    last_user: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept { blocks: Mutex::new(HashMap::new()) }
    }
}

impl<T: Clone> Kept<T> {
    /// Returns block `index`, which requests up to number `last_user` need. Computes it if no
    /// earlier request of the evaluation has.
    pub(crate) fn get(
        &self,
        evaluation: Evaluation,
        index: usize,
        last_user: usize,
        compute: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if evaluation.number.is_none() {
            return compute();
        }
        let slot = {
            let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = blocks.entry((evaluation, index));
            Arc::clone(&slot.or_insert_with(|| Slot { block: Arc::default(), last_user }).block)
        };
        // If the thread that computed the block panicked, the block is still missing.
        let mut block = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = &*block {
            return Ok(block.clone());
        }
        let computed = compute()?;
        *block = Some(computed.clone());
        Ok(computed)
    }

    /// Frees the blocks that no request from number `end` on needs.
    pub(crate) fn release(&self, evaluation: Evaluation, end: usize) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.retain(|(of, _), slot| *of != evaluation || slot.last_user >= end);
    }
}
