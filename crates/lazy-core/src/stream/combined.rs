//! Producers that combine the steps of producers whose blocks come in order.

use std::sync::Arc;

use super::{Failure, Produce, Step, Steps};
use crate::BoxError;

/// The bands of several producers, one producer after the other.
pub(crate) struct Chained<'a, T> {
    /// Each with its number of bands, if that is known.
    parts: Vec<(Arc<dyn Produce<T> + 'a>, Option<usize>)>,
}

impl<'a, T> Chained<'a, T> {
    pub(crate) fn new(parts: Vec<(Arc<dyn Produce<T> + 'a>, Option<usize>)>) -> Chained<'a, T> {
        Chained { parts }
    }
}

impl<T> Produce<T> for Chained<'_, T> {
    fn steps(&self) -> Box<dyn Steps<T> + '_> {
        Box::new(ChainedSteps { parts: self.parts.iter(), steps: None, bands_left: Some(0) })
    }
}

struct ChainedSteps<'s, 'a, T> {
    parts: std::slice::Iter<'s, (Arc<dyn Produce<T> + 'a>, Option<usize>)>,
    steps: Option<Box<dyn Steps<T> + 's>>,
    /// The number of bands of this part that have not ended, if it is known.
    bands_left: Option<usize>,
}

impl<T> ChainedSteps<'_, '_, T> {
    fn start_next(&mut self) -> Option<()> {
        let (part, n_bands) = self.parts.next()?;
        self.steps = Some(part.steps());
        self.bands_left = *n_bands;
        Some(())
    }

    /// Moves to the part of the next band, which may begin with it.
    fn skip_finished_parts(&mut self) {
        while self.bands_left == Some(0) && self.start_next().is_some() {}
    }
}

impl<T> Steps<T> for ChainedSteps<'_, '_, T> {
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>> {
        loop {
            if let Some(steps) = &mut self.steps
                && let Some(step) = steps.next_step()
            {
                if matches!(step, Ok(Step::EndBand)) {
                    self.bands_left = self.bands_left.map(|n_bands| n_bands.saturating_sub(1));
                }
                return Some(step);
            }
            self.start_next()?;
        }
    }

    fn in_band(&self) -> bool {
        self.steps.as_ref().is_some_and(|steps| steps.in_band())
    }

    fn skip_block(&mut self) {
        self.skip_finished_parts();
        if let Some(steps) = &mut self.steps {
            steps.skip_block();
        }
    }

    fn skip_band(&mut self) {
        self.skip_finished_parts();
        if let Some(steps) = &mut self.steps {
            steps.skip_band();
        }
    }
}

/// Pairs of the blocks of two producers.
pub(crate) struct InStep<'a, T, U> {
    left: Arc<dyn Produce<T> + 'a>,
    right: Arc<dyn Produce<U> + 'a>,
}

impl<'a, T, U> InStep<'a, T, U> {
    pub(crate) fn new(
        left: Arc<dyn Produce<T> + 'a>,
        right: Arc<dyn Produce<U> + 'a>,
    ) -> InStep<'a, T, U> {
        InStep { left, right }
    }
}

impl<T, U> Produce<(T, U)> for InStep<'_, T, U> {
    fn steps(&self) -> Box<dyn Steps<(T, U)> + '_> {
        Box::new(PairSteps { left: self.left.steps(), right: self.right.steps() })
    }
}

struct PairSteps<'s, T, U> {
    left: Box<dyn Steps<T> + 's>,
    right: Box<dyn Steps<U> + 's>,
}

impl<T, U> Steps<(T, U)> for PairSteps<'_, T, U> {
    fn next_step(&mut self) -> Option<Result<Step<(T, U)>, Failure>> {
        let left = match self.left.next_step() {
            Some(Err(failure)) => return Some(Err(failure)),
            step => step.and_then(Result::ok),
        };
        let right = match self.right.next_step() {
            Some(Err(failure)) => return Some(Err(failure)),
            step => step.and_then(Result::ok),
        };
        Some(match (left, right) {
            (None, None) => return None,
            (Some(Step::Block(left)), Some(Step::Block(right))) => Ok(Step::Block((left, right))),
            (Some(Step::EndBand), Some(Step::EndBand)) => Ok(Step::EndBand),
            (left, right) => Err(Failure::Producer(BoxError::from(format!(
                "the sequences of a zip differ in their blocks: the left one has {}, but the right \
                 one has {}",
                in_words(left.as_ref()),
                in_words(right.as_ref())
            )))),
        })
    }

    fn in_band(&self) -> bool {
        self.left.in_band()
    }

    fn skip_block(&mut self) {
        self.left.skip_block();
        self.right.skip_block();
    }

    fn skip_band(&mut self) {
        self.left.skip_band();
        self.right.skip_band();
    }
}

fn in_words<T>(step: Option<&Step<T>>) -> &'static str {
    match step {
        Some(Step::Block(_)) => "another block",
        Some(Step::EndBand) => "no more blocks in this band",
        None => "no more blocks",
    }
}

/// The bands of a producer, each as one block.
pub(crate) struct JoinedBands<'a, T, F> {
    producer: Arc<dyn Produce<T> + 'a>,
    join: F,
}

impl<'a, T, F> JoinedBands<'a, T, F> {
    pub(crate) fn new(producer: Arc<dyn Produce<T> + 'a>, join: F) -> JoinedBands<'a, T, F> {
        JoinedBands { producer, join }
    }
}

impl<T, U, F: Fn(Vec<T>) -> Result<U, Failure>> Produce<U> for JoinedBands<'_, T, F> {
    fn steps(&self) -> Box<dyn Steps<U> + '_> {
        Box::new(JoinedSteps { steps: self.producer.steps(), join: &self.join, in_band: false })
    }
}

struct JoinedSteps<'s, T, F> {
    steps: Box<dyn Steps<T> + 's>,
    join: &'s F,
    /// True if the next step ends the band.
    in_band: bool,
}

impl<T, U, F: Fn(Vec<T>) -> Result<U, Failure>> Steps<U> for JoinedSteps<'_, T, F> {
    fn next_step(&mut self) -> Option<Result<Step<U>, Failure>> {
        if std::mem::take(&mut self.in_band) {
            return Some(Ok(Step::EndBand));
        }
        let mut blocks = Vec::new();
        loop {
            match self.steps.next_step() {
                Some(Ok(Step::Block(block))) => blocks.push(block),
                Some(Ok(Step::EndBand)) => break,
                Some(Err(failure)) => return Some(Err(failure)),
                None => return None,
            }
        }
        self.in_band = true;
        Some((self.join)(blocks).map(Step::Block))
    }

    fn in_band(&self) -> bool {
        true
    }

    fn skip_block(&mut self) {
        // The block is a whole band, none of which has been computed, so its end cannot fail.
        self.steps.skip_band();
        self.in_band = matches!(self.steps.next_step(), Some(Ok(Step::EndBand)));
        debug_assert!(self.in_band, "a skipped band ends");
    }

    fn skip_band(&mut self) {}
}
