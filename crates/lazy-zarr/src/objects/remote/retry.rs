//! Repeating what failed for a passing reason.

use std::time::{Duration, Instant};

use rand::Rng;
use tokio::time::sleep;

use super::plain::was_retried;

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
    pub(super) fn pauses(&self) -> Pauses {
        Pauses {
            left: self.max,
            start: Instant::now(),
            timeout: self.timeout,
            longest: FIRST_PAUSE,
        }
    }
}

/// The pauses between the attempts of one operation.
pub(super) struct Pauses {
    left: usize,
    start: Instant,
    timeout: Duration,
    longest: Duration,
}

impl Pauses {
    fn next(&mut self) -> Option<Duration> {
        if self.left == 0 || self.start.elapsed() > self.timeout {
            return None;
        }
        self.left -= 1;
        // Clients that failed at the same time do not return at the same time.
        let pause = self.longest.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.longest = (self.longest * 2).min(LONGEST_PAUSE);
        Some(pause)
    }

    /// Waits before the next attempt of an operation that can be repeated. Returns the error if
    /// there is none.
    pub(super) async fn wait_after<E>(&mut self, error: E) -> Result<(), E> {
        match self.next() {
            Some(pause) => {
                sleep(pause).await;
                Ok(())
            }
            None => Err(error),
        }
    }

    /// Waits like [`wait_after`](Self::wait_after) if the error may pass, and the client has not
    /// retried the request until its limit. Otherwise, returns the error at once.
    ///
    /// The client does not retry a request whose response is an error that it could not read, or a
    /// deletion whose response was lost.
    pub(super) async fn wait_after_passing(
        &mut self,
        error: object_store::Error,
    ) -> Result<(), object_store::Error> {
        if may_pass(&error) { self.wait_after(error).await } else { Err(error) }
    }
}

fn may_pass(error: &object_store::Error) -> bool {
    let message = error.to_string();
    let is_spent = was_retried(error) && message.contains("(Connect)");
    message.contains("HTTP error: ") && !message.contains("builder error") && !is_spent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let all = |retries: &Retries| {
            let mut pauses = retries.pauses();
            std::iter::from_fn(move || pauses.next()).collect::<Vec<_>>()
        };
        let pauses = all(&Retries::default());
        assert_eq!(pauses.len(), 10);
        assert!(pauses[0] <= FIRST_PAUSE && pauses[9] > 50 * FIRST_PAUSE, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        let spent = Retries { max: 10, timeout: Duration::ZERO };
        assert_eq!(all(&spent), []);
    }
}
