//! The command line.

#![allow(missing_docs, unreachable_pub, reason = "the macro writes items without documentation")]

use std::path::PathBuf;

xflags::xflags! {
    /// How fast arrays are stored and read.
    cmd bench {
        /// All workloads, by all parties, in turns; a table of medians.
        cmd run {
            /// An interpreter that has the peers.
            required python: PathBuf
            // `cargo xtask bench --help` says what they are.
            optional --only words: String
            optional --parties names: String
            optional --quick
            optional --rounds rounds: usize
            optional --directory directory: PathBuf
            optional --json
        }
        /// One job of this workspace's: read from standard input, its outcome written to standard output.
        cmd ours {}
        /// One job as a bare loop.
        cmd limit {}
        /// Records of .npy on standard output, as a producer that does nothing else.
        cmd produce {
            /// How many.
            required n_records: usize
        }
    }
}
