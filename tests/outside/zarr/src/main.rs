//! An aggregator of the user's own, and storing beside a statistic in one pass.

use std::sync::Arc;

use lazy_chunks::zarr::{MemoryStore, ZarrSink};
use lazy_chunks::{
    Bands, MeanVariance, NdarrayConverter, NestedLazyChunkSequence, NestedSequenceAggregator,
};
use ndarray::Array2;

/// The sum of the diagonal.
struct Trace;

impl NestedSequenceAggregator<Array2<f64>> for Trace {
    type Output = f64;

    fn aggregate_nested(self, mut bands: Bands<'_, Array2<f64>>) -> lazy_chunks::Result<f64> {
        let (mut trace, mut i) = (0.0, 0);
        while let Some(mut band) = bands.next_band()? {
            trace += band.nth(i).expect("as many columns as rows")?.diag().sum();
            i += 1;
        }
        Ok(trace)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kernel = NestedLazyChunkSequence::from_fn([2; 3], [2; 3], |i, j| {
        Array2::from_shape_fn((2, 2), |(row, column)| {
            (-((2 * i + row) as f64 - (2 * j + column) as f64).powi(2)).exp()
        })
    });
    assert_eq!(kernel.compute(Trace)?, 6.0);
    let sink = ZarrSink::new(Arc::new(MemoryStore::new()));
    let (moments, stored) = kernel.convert(NdarrayConverter).compute((MeanVariance, sink))?;
    assert_eq!((moments.count, stored.shape()), (36, &[6, 6][..]));
    println!("the facade works with Zarr");
    Ok(())
}
