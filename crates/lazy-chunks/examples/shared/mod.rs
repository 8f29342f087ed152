//! What the examples on influence have in common: the digits, what is asked about them, and the picture.

pub(crate) mod digits;
pub(crate) mod experiment;
mod picture;
pub(crate) mod stop;
