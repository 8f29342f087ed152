//! Values of arguments that are more than a number or a word, and how they are written.
//!
//! Ignorant of clap, of which argument has which value, and of everything that uses the values.

mod attribute;
mod chunk_sizes;
mod codec;
mod memory_size;
mod number;
mod path;
mod span;
mod stop_signal;
mod worker;

pub(crate) use attribute::Attribute;
pub(crate) use chunk_sizes::ChunkSizes;
pub(crate) use codec::CodecSetting;
pub(crate) use memory_size::MemorySize;
pub(crate) use number::{fraction, number};
pub(crate) use path::{local_path, location, new_array, picture_path};
pub(crate) use span::Span;
pub(crate) use stop_signal::StopSignal;
pub(crate) use worker::worker;
