//! The command line.

#![allow(missing_docs, unreachable_pub, reason = "the macro writes items without documentation")]

use std::path::PathBuf;

xflags::xflags! {
    /// The workspace's own tasks.
    cmd xtask {
        /// All that a change has to pass, on a machine that has a Rust toolchain, a C compiler and
        /// Python 3. What else it needs it installs below target/.
        cmd ci {}
        /// A libtorch for the CPU in target/libtorch, which cargo takes for the feature `tch`. What
        /// LIBTORCH or LIBTORCH_USE_PYTORCH says wins.
        cmd libtorch {}
        /// The property tests across crates.
        cmd properties {
            /// How many cases each property is tried on.
            optional --cases cases: u32
        }
        /// Which crate may know which, from cargo tree.
        cmd layering {}
        /// The licences and sources of all crates that the workspace is built from, and what is known to be wrong
        /// with them, by cargo-deny, which is built below target/.
        cmd dependencies {}
        /// What the documents say of the tree holds: paths, the map, examples of public types,
        /// programs.
        cmd tidy {}
        /// Every combination of features of every crate builds, without warnings.
        cmd features {}
        /// The facade builds and runs in crates outside of the workspace.
        cmd outside {}
        /// The examples run, and zarr-python reads what they stored.
        cmd example {}
        /// zarr-python, tensorstore, xarray and dask read what is written here, and what they write
        /// is read here, bit for bit.
        cmd interop {}
        /// The program `lazy`, driven by Python: streams, files and signals, and zarr-python reads what it stores.
        cmd program {}
        /// The program `lazy` on file systems that fail or lack one thing at a time: what close and fsync
        /// report, locks, renames, inode numbers, power. Needs FUSE; where there is none, it is left out.
        cmd fuse {}
        /// Writes that are killed at every operation and at random moments, that fail and race: the
        /// target is the old array or the new one, for us and for zarr-python, and a run that goes on
        /// computes what is missing and nothing else.
        cmd crash {
            /// How many rounds there are of random kills, and a third of that of races; 100 without. With
            /// more, every combination of settings is killed at every operation.
            optional --rounds rounds: u32
            /// What is drawn follows from it. The seed of a failure is in its message.
            optional --seed seed: u64
        }
        /// How fast arrays are stored and read: by this workspace, by pyDVL, zarr-python, tensorstore, dask
        /// and numpy.memmap, and by bare loops, in turns. Tables of medians; all of it takes long.
        cmd bench {
            /// Only what has one of these words, with commas between them, in its name, such as `factors`,
            /// `factors/zstd` or `/none/read`. The names are made of a workload (factors, ragged, values,
            /// misaligned, tiny, tinyrows, sharded, smooth), an encoding (none, zstd, default) and a task
            /// (store, read, read-blocks); and there are factors/flushed, and `memory` and `blocks`, which is how
            /// both grow; `threads` and `statistics`, which is what reductions take; and `pipe` and `copy`, which
            /// is what the program `lazy` takes.
            optional --only words: String
            /// Only these, with commas between them, beside ours: limit, pydvl, zarr, zarrs, tensorstore,
            /// dask, memmap.
            optional --parties names: String
            /// One round over an eighth of the rows: whether it runs, and not how fast.
            optional --quick
            /// How often each has its turn; 5 without.
            optional --rounds rounds: usize
            /// Where arrays are stored: in /dev/shm without, where there is one, since disks are noisy.
            optional --directory directory: PathBuf
            /// All that was measured, for machines, in place of the tables.
            optional --json
        }
    }
}
