//! The command line.

#![allow(missing_docs, unreachable_pub, reason = "the macro writes items without documentation")]

use std::path::PathBuf;

xflags::xflags! {
    /// Measures the speed of storing and reading arrays.
    cmd bench {
        /// Runs all workloads with all parties in turns, and prints a table of medians.
        cmd run {
            /// A Python interpreter with the peers installed.
            required python: PathBuf
            /// A Python interpreter with moto and clients of object stores installed.
            required stores_python: PathBuf
            // `cargo xtask bench --help` explains the options.
            optional --only words: String
            optional --parties names: String
            /// This program, built from another revision, which takes turns with the others.
            optional --before program: PathBuf
            optional --quick
            optional --rounds rounds: usize
            optional --directory directory: PathBuf
            optional --json
        }
        /// Runs one job of this workspace, read from standard input, and writes its outcome to
        /// standard output.
        cmd ours {}
        /// Runs one job as a bare loop.
        cmd limit {}
        /// Runs one process of a write that several processes share.
        cmd share {}
        /// Writes records of .npy to standard output, and does nothing else.
        cmd produce {
            /// The number of records.
            required n_records: usize
        }
    }
}
