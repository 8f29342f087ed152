use lazy_chunks::{
    ArrayBlock, BlockIndex, BlockPosition, DType, Error, Reducer, Result, Run, SequenceSpec,
};

/// Finds the largest change of the mean from one block to the next: where a training diverged.
///
/// It depends on the order of the blocks, and its states do not merge, so it is no statistic.
#[derive(Clone, Copy, Debug)]
pub struct Drift;

/// A change of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// The block behind the change.
    pub at: BlockIndex,
    /// The increase of its mean over the mean of the block before.
    pub by: f64,
}

/// The means so far, in a pass of [`Drift`].
#[derive(Debug, Default)]
pub struct Means {
    previous: Option<f64>,
    largest: Option<Jump>,
}

impl Reducer for Drift {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<Option<f64>>;
    type Run = Means;
    type Output = Jump;

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Means)> {
        match spec.row_type().map(|row| row.dtype) {
            None | Some(DType::Float32) => Ok((mean, Means::default())),
            Some(actual) => Err(Error::dtype_mismatch(DType::Float32, actual)),
        }
    }
}

/// Returns the mean of a block, or `None` if it has no elements.
fn mean(_: BlockPosition, block: &ArrayBlock) -> Result<Option<f64>> {
    let elements = block.as_slice::<f32>()?;
    let sum: f64 = elements.iter().copied().map(f64::from).sum();
    Ok((!elements.is_empty()).then(|| sum / elements.len() as f64))
}

impl Run for Means {
    type Partial = Option<f64>;
    type Output = Jump;

    fn merge(&mut self, at: BlockPosition, mean: Option<f64>) -> Result<()> {
        let Some(mean) = mean else { return Ok(()) };
        if let Some(by) = self.previous.replace(mean).map(|previous| mean - previous)
            && self.largest.is_none_or(|largest| by.abs() > largest.by.abs())
        {
            self.largest = Some(Jump { at: at.index, by });
        }
        Ok(())
    }

    /// Fails here, and not in `commit`, so that a sink in the same pass publishes nothing.
    fn prepare(&mut self) -> Result<()> {
        let message = "there is no drift without two blocks of at least one element each";
        self.largest.map(drop).ok_or_else(|| Error::other(message))
    }

    fn commit(self) -> Result<Jump> {
        Ok(self.largest.expect("it was prepared"))
    }
}
