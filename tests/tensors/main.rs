//! Tests of libtorch tensors.

#[cfg(test)]
mod laws;

fn main() {}
