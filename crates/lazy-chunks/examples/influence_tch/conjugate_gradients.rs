//! Conjugate gradients, for several right-hand sides at once.

use tch::{Kind, Tensor};

const MOST_STEPS: usize = 1000;

/// Solves `A x = b` for each row b of `right`, until the norm of each residual is at most
/// `tolerance` times the norm of its b. `times` multiplies rows by A, which is symmetric and
/// positive definite.
///
/// All rows take each step together, since one product with many vectors costs less than many
/// products with one vector. A solved row does not change any more.
pub(crate) fn solve(
    times: impl Fn(&Tensor) -> Tensor,
    right: &Tensor,
    tolerance: f64,
) -> Result<Tensor, String> {
    let mut solutions = right.zeros_like();
    let mut residuals = right.copy();
    let mut directions = right.copy();
    let mut squares = products_of_rows(right, right);
    let goals = &squares * tolerance.powi(2);
    for _ in 0..MOST_STEPS {
        // Not `>`: a row with NaN is not solved.
        let open = squares.le_tensor(&goals).logical_not();
        if !open.any().is_nonzero() {
            return Ok(solutions);
        }
        let quotients = |a: &Tensor, b: &Tensor| (a / b).where_self(&open, &a.zeros_like());
        let curved = times(&directions);
        let steps = quotients(&squares, &products_of_rows(&directions, &curved));
        solutions += &steps * &directions;
        residuals -= &steps * curved;
        let next_squares = products_of_rows(&residuals, &residuals);
        directions = &residuals + quotients(&next_squares, &squares) * directions;
        squares = next_squares;
    }
    let largest = (squares / goals).sqrt().max().double_value(&[]) * tolerance;
    Err(format!(
        "after {MOST_STEPS} steps of conjugate gradients, a residual is {largest:e} of its \
         right-hand side, expected at most {tolerance:e}"
    ))
}

fn products_of_rows(left: &Tensor, right: &Tensor) -> Tensor {
    (left * right).sum_dim_intlist(1, true, Kind::Double)
}
