//! The message of a panic.

use std::any::Any;

/// Returns the message of a panic, from the payload that `catch_unwind` or the join of a thread
/// returns.
///
/// Use it to report panics in the code of others as errors, as evaluations, sinks and test suites
/// do.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::panic_message;
///
/// let payload = std::panic::catch_unwind(|| panic!("block {} is gone", 3)).unwrap_err();
/// assert_eq!(panic_message(&*payload), "block 3 is gone");
/// ```
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the panic carries no message")
}
