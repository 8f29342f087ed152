//! The runtime on which all requests of this process run.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

use super::super::error::StoreError;

/// Most of the time, the threads of the runtime wait. They also decrypt what arrives.
const MAX_THREADS: usize = 4;

fn runtime() -> Result<&'static Runtime, StoreError> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let start = || {
        let n_cores = available_parallelism().map_or(2, usize::from);
        Builder::new_multi_thread()
            .worker_threads(n_cores.clamp(2, MAX_THREADS))
            .thread_name("lazy-requests")
            .enable_all()
            .build()
    };
    let failed = |error: &io::Error| format!("could not start the threads for requests: {error}");
    RUNTIME.get_or_init(start).as_ref().map_err(|error| StoreError::other(failed(error)))
}

/// Runs a future on the runtime, and blocks the calling thread until it is done.
///
/// The calling thread may belong to another runtime, since it only waits for a channel.
pub(super) fn wait<T: Send + 'static>(
    future: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, receiver) = sync_channel(1);
    runtime()?.spawn(async move {
        // The receiver waits.
        let _ = sender.send(future.await);
    });
    receiver.recv().unwrap_or_else(|_| Err(StoreError::other("the request panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let panics = async { panic!("in a request") };
        let error = wait::<()>(panics).unwrap_err();
        assert_eq!(error.to_string(), "the request panicked");
    }

    /// `Runtime::block_on` would panic here.
    #[test]
    fn a_thread_of_another_runtime_can_wait() {
        let other = Builder::new_current_thread().build().unwrap();
        assert_eq!(other.block_on(async { wait(async { Ok(7) }) }).unwrap(), 7);
    }
}
