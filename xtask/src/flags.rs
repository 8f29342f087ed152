//! The command line.

#![allow(missing_docs, unreachable_pub, reason = "the macro writes items without documentation")]

use std::path::PathBuf;

xflags::xflags! {
    /// The workspace's own tasks.
    cmd xtask {
        /// Runs all that a change has to pass, on a machine that has a Rust toolchain, a C compiler
        /// and Python 3. Everything else that it needs is installed below target/.
        cmd ci {
            /// Only the steps that need neither libtorch nor Python: formatting, layers, documents,
            /// lints, tests and rustdoc. They take a few minutes.
            optional --quick
        }
        /// Provides a libtorch for the CPU in target/libtorch, where cargo finds it for the feature
        /// `tch`. LIBTORCH and LIBTORCH_USE_PYTORCH take precedence.
        cmd libtorch {}
        /// Runs the property tests across crates and all slow tests, with optimization.
        cmd properties {
            /// The number of cases of each property; 128 by default.
            optional --cases cases: u32
        }
        /// Checks which crates depend on which, and that modules do not import each other in a
        /// cycle.
        cmd layering {
            /// Also reports the modules of all crates: their cycles, and imports against the rules.
            optional --modules
        }
        /// Checks the licences, sources and advisories of all dependencies with cargo-deny.
        cmd dependencies {}
        /// Checks that the documents agree with the tree: links, paths and programs that they
        /// show; and that all public types have examples.
        cmd tidy {}
        /// Checks every combination of features of every crate with clippy.
        cmd features {}
        /// Builds and runs crates outside of the workspace that use the facade.
        cmd outside {}
        /// Runs the examples, and reads with zarr-python what they stored.
        cmd example {}
        /// Exchanges arrays with zarr-python, tensorstore, xarray and dask in both directions, bit
        /// for bit. Under Python 3.12 or later, zarr-python 3.4 has a turn, too, with rectilinear
        /// grids.
        cmd interop {}
        /// Drives the program `lazy` from Python: streams, files and signals. zarr-python reads
        /// what it stores.
        cmd program {}
        /// Builds the wheel of the Python package, installs it in environments of its own, and runs its
        /// tests, also with the calculators of pyDVL.
        cmd python {}
        /// Runs the program `lazy` on file systems that fail or lack one thing at a time: errors of
        /// close and fsync, locks, renames, inode numbers, power. It needs FUSE, and is left out
        /// where there is none.
        cmd fuse {}
        /// Runs the job scripts of the guide with the program `lazy`, and the example `influence`,
        /// under Slurm, mpirun, GNU parallel and shells. Engines that cannot be installed are left
        /// out.
        cmd engines {}
        /// Stores arrays in emulators of S3 and Azure, which it installs, with the program `lazy`
        /// and with writes that are killed at each of their requests. zarr-python, tensorstore and
        /// xarray read them. Without Node, Azure is left out.
        cmd stores {
            /// Kills writes at every request in every course. By default, some of them.
            optional --all
        }
        /// Kills writes, and workers that share one, at every operation and at random moments, and
        /// makes them fail, stop and race.
        /// Afterwards the target is the old array or the new one, for this library and for
        /// zarr-python, and a resumed run computes what is missing and nothing else.
        cmd crash {
            /// The number of random kills, and of races; 60 by default. Above 100, writes with
            /// every combination of settings are killed at every operation.
            optional --rounds rounds: u32
            /// The seed of all random choices. A failure names its seed.
            optional --seed seed: u64
        }
        /// Measures how fast arrays are stored and read: by this workspace, by pyDVL, zarr-python,
        /// tensorstore, dask and numpy.memmap, and by bare loops, in turns. It prints tables of
        /// medians. All of it takes long.
        cmd bench {
            /// Only measurements with one of these words in their name, separated by commas, such
            /// as `factors`, `factors/zstd` or `/none/read`. A name has a workload (factors,
            /// ragged, values, misaligned, tiny, tinyrows, sharded, smooth), an encoding (none,
            /// zstd, default) and a task (store, read, read-blocks). Other names are
            /// factors/flushed; `memory` and `blocks`, for how both grow; `threads` and
            /// `statistics`, for reductions; `workers`, `part` and `scale`, for writes that
            /// several processes share; `s3`, with a workload (factors, tiny, sharded), a task
            /// (store, read, read-region) and a latency (0ms, 20ms), such as `s3/tiny/store/20ms`, for
            /// arrays in an object store; `pipe` and `copy`, for the program `lazy`.
            optional --only words: String
            /// Only these parties beside this workspace, separated by commas: limit, pydvl, zarr,
            /// zarrs, tensorstore, dask, memmap; obstore and s3fs for arrays in object stores.
            optional --parties names: String
            /// Another revision of this workspace, such as a commit or a tag, which stores and reads
            /// in turns with this one. More than 1 in its column means that this one is faster. No
            /// other party takes part, unless --parties names it.
            optional --compare revision: String
            /// One round over an eighth of the rows, which shows that it runs, not how fast.
            optional --quick
            /// The number of turns of each party; 5 by default.
            optional --rounds rounds: usize
            /// The directory that arrays are stored in. The default is /dev/shm, if it exists,
            /// since disks are noisy.
            optional --directory directory: PathBuf
            /// All measurements as JSON, instead of tables.
            optional --json
        }
    }
}
