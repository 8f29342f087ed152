//! Optional reducers.

use lazy_core::{Concatenate, Count, LazyChunkSequence, Sum, TopK};

use crate::{of_every_kind, original, rows};

#[test]
fn an_optional_reducer_is_left_out_or_there() {
    let compute = |with_sum: bool, with_array: bool| {
        let mut outputs = Vec::new();
        let reducer = || (with_sum.then_some(Sum), Count, with_array.then_some(Concatenate));
        of_every_kind(original, None, reducer, |_, output| outputs.push(output.unwrap()));
        outputs
    };
    let all = compute(true, true);
    for (with_sum, with_array) in [(false, true), (true, false), (false, false)] {
        for ((sum, count, array), all) in compute(with_sum, with_array).into_iter().zip(&all) {
            assert_eq!(sum, all.0.filter(|_| with_sum));
            assert_eq!(count, all.1);
            assert_eq!(array, all.2.clone().filter(|_| with_array));
        }
    }
    // A reducer that is left out is not started, so it returns no error.
    let refused = Some(TopK::new(0)).filter(|_| false);
    let sequence = LazyChunkSequence::new(|| [rows(0)]);
    assert!(sequence.compute(refused).unwrap().is_none());
    sequence.compute(Some(TopK::new(0))).unwrap_err();
    let many = vec![Some(Sum), None, Some(Sum)];
    let sums = sequence.compute(many).unwrap();
    assert_eq!((sums[0], sums[1]), (sums[2], None));
}
