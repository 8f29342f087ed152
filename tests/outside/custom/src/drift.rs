use lazy_chunks::{ArrayBlock, BlockPosition, DType, Declared, Error, Location, Reducer, Result};

/// Looks for the largest change of the mean from one block to the next: for where a training diverged.
///
/// It goes by the order of the blocks, and its states do not merge, so it is no statistic.
#[derive(Clone, Copy, Debug)]
pub struct Drift;

/// A change of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// The block behind the change.
    pub at: Location,
    /// How much larger its mean is than that of the block before.
    pub by: f64,
}

/// What [`Drift`] remembers of the blocks so far.
#[derive(Debug, Default)]
pub struct DriftState {
    previous: Option<f64>,
    largest: Option<Jump>,
}

impl Reducer for Drift {
    /// The block's mean; none where it has no elements.
    type Partial = Option<f64>;
    type State = DriftState;
    type Output = Jump;

    fn start(&self, declared: &Declared) -> Result<DriftState> {
        match declared.row_type().map(|row| row.dtype) {
            None | Some(DType::Float32) => Ok(DriftState::default()),
            Some(dtype) => Err(Error::DTypeMismatch { expected: DType::Float32, actual: dtype }),
        }
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> Result<Option<f64>> {
        let elements = block.as_slice::<f32>()?;
        let sum: f64 = elements.iter().copied().map(f64::from).sum();
        Ok((!elements.is_empty()).then(|| sum / elements.len() as f64))
    }

    fn absorb(&self, state: &mut DriftState, at: BlockPosition, mean: Option<f64>) -> Result<()> {
        let Some(mean) = mean else { return Ok(()) };
        if let Some(previous) = state.previous.replace(mean) {
            let by = mean - previous;
            if state.largest.is_none_or(|largest| by.abs() > largest.by.abs()) {
                state.largest = Some(Jump { at: at.location, by });
            }
        }
        Ok(())
    }

    /// Fails here, and not in `finish`, so that a sink in the same pass publishes nothing.
    fn seal(&self, state: &mut DriftState) -> Result<()> {
        state.largest.map(drop).ok_or_else(no_jump)
    }

    fn finish(&self, state: DriftState) -> Result<Jump> {
        state.largest.ok_or_else(no_jump)
    }
}

fn no_jump() -> Error {
    Error::other("there is no drift without two blocks of at least one element each")
}
