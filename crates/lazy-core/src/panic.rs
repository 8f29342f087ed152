//! What a panic said.

use std::any::Any;

/// The message of a panic, from what `catch_unwind` or the end of a thread gives.
///
/// For those who call code of others, as evaluations, sinks and test suites do, and report its panics as
/// errors.
///
/// # Example
///
/// ```
/// use lazy_core::panic_message;
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
