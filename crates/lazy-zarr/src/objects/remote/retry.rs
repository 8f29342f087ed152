//! Repeating what failed for a passing reason.

use std::time::{Duration, Instant};

use rand::Rng;

/// The limits of retries, as the clients of `object_store` have them by default.
#[derive(Clone, Debug)]
pub(crate) struct Retries {
    /// The number of attempts after the first one.
    pub(crate) max: usize,
    /// The time after which no attempt is started.
    pub(crate) timeout: Duration,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { max: 10, timeout: Duration::from_secs(180) }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl Retries {
    /// Returns the pauses before the attempts that follow the first one.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let (start, timeout) = (Instant::now(), self.timeout);
        let mut longest = FIRST_PAUSE;
        (0..self.max).map_while(move |_| {
            if start.elapsed() > timeout {
                return None;
            }
            // Clients that failed at the same time do not return at the same time.
            let pause = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
            longest = (longest * 2).min(LONGEST_PAUSE);
            Some(pause)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> = Retries::default().pauses().collect();
        assert_eq!(pauses.len(), 10);
        assert!(pauses[0] <= FIRST_PAUSE && pauses[9] > 50 * FIRST_PAUSE, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        let spent = Retries { max: 10, timeout: Duration::ZERO };
        assert_eq!(spent.pauses().count(), 0);
    }
}
