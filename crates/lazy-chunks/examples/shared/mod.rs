//! Code that the influence examples share: the digits, the experiment, and the picture.

pub(crate) mod digits;
pub(crate) mod experiment;
mod picture;
pub(crate) mod stop;
