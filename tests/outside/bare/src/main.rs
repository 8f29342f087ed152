//! Sequences, aggregators and reducers, without any backend.

use lazy_chunks::{ArgMax, Concatenate, LazyChunkSequence, NdarrayConverter, Summary};
use ndarray::Array2;

fn main() -> Result<(), lazy_chunks::Error> {
    let sequence = LazyChunkSequence::new(|| (0..3).map(|i| Array2::from_elem((2, 2), i)));
    assert_eq!(sequence.compute(Concatenate)?.dim(), (6, 2));
    let largest = sequence.convert(NdarrayConverter).compute(ArgMax.per_row())?;
    assert_eq!(largest.values[5], 2.0);
    println!("the facade works without a backend");
    Ok(())
}
