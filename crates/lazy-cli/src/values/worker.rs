//! The worker that a process is.

use lazy_chunks::{Workers, report};

/// Returns the worker that an argument names, or that the environment names for `env`.
pub(crate) fn worker(text: &str) -> Result<Workers, String> {
    Workers::parse(text).map_err(|error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
        report(&error) + &hint
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_an_index_and_a_count() {
        let worker = |text| worker(text).map(|worker| (worker.index(), worker.count()));
        assert_eq!(worker("2/3"), Ok((2, Some(3))));
        assert_eq!(worker("off"), Ok((0, Some(1))));
        for (wrong, problem) in [
            ("3/3", "must be less than the number of workers, got 3 of 3"),
            ("0/0", "must be less than"),
            ("x", "such as `3/64`, got `x`"),
            ("3", "such as `3/64`, got `3`"),
            ("-1/3", "such as `3/64`, got `-1/3`"),
        ] {
            let error = worker(wrong).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
