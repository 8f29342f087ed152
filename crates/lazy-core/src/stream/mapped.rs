//! A producer with a function after it.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Evaluation, Failure, Produce, ProduceIndexed, Step, Steps};

/// Applies `function` to every block of `producer`. Keeps bands, order and indices.
pub(crate) struct Mapped<P: ?Sized, F, T> {
    producer: Arc<P>,
    function: F,
    input: PhantomData<fn(T)>,
}

impl<P: ?Sized, F, T> Mapped<P, F, T> {
    pub(crate) fn new(producer: Arc<P>, function: F) -> Mapped<P, F, T> {
        Mapped { producer, function, input: PhantomData }
    }
}

impl<P, F, T, U> Produce<U> for Mapped<P, F, T>
where
    P: Produce<T> + ?Sized,
    F: Fn(T) -> Result<U, Failure>,
{
    fn steps(&self) -> Box<dyn Steps<U> + '_> {
        Box::new(MappedSteps { steps: self.producer.steps(), function: &self.function })
    }
}

impl<P, F, T, U> ProduceIndexed<U> for Mapped<P, F, T>
where
    P: ProduceIndexed<T> + ?Sized,
    F: Fn(T) -> Result<U, Failure>,
{
    fn block(&self, evaluation: Evaluation, band: usize, column: usize) -> Result<U, Failure> {
        self.producer.block(evaluation, band, column).and_then(&self.function)
    }

    fn release(&self, evaluation: Evaluation, end: usize) {
        self.producer.release(evaluation, end);
    }
}

struct MappedSteps<'s, F, T> {
    steps: Box<dyn Steps<T> + 's>,
    function: &'s F,
}

impl<F, T, U> Steps<U> for MappedSteps<'_, F, T>
where
    F: Fn(T) -> Result<U, Failure>,
{
    fn next_step(&mut self) -> Option<Result<Step<U>, Failure>> {
        Some(self.steps.next_step()?.and_then(|step| match step {
            Step::Block(block) => (self.function)(block).map(Step::Block),
            Step::EndBand => Ok(Step::EndBand),
        }))
    }

    fn in_band(&self) -> bool {
        self.steps.in_band()
    }

    fn skip_block(&mut self) {
        self.steps.skip_block();
    }

    fn skip_band(&mut self) {
        self.steps.skip_band();
    }
}
