//! The extension module of the Python package.
//!
//! `arrays` turns arrays of Python into blocks and back, `blocks` reads what a user hands over,
//! `pass` evaluates it on a thread of its own while the `feeder` on the calling thread runs Python, and
//! the other modules are the functions and classes that the package's Python code wraps. Nothing here computes
//! or stores anything by itself.

mod arrays;
mod attach;
mod blocks;
mod callback;
mod cast;
mod detached;
mod errors;
mod feeder;
mod fork;
mod logging;
mod own_statistic;
mod pass;
mod plan;
mod progress;
mod queue;
mod sequence;
mod settings;
mod statistics;
mod store;
mod stored;
mod watch;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program `lazy` with these arguments, and returns its exit code.
#[pyfunction]
fn run_program(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| lazy_cli::run(arguments))
}

/// Returns the number of copies of arrays that were made, and their bytes.
#[pyfunction]
fn copies() -> (u64, u64) {
    arrays::copies()
}

#[pymodule(gil_used = true)]
fn _lazy_chunks(module: &Bound<'_, PyModule>) -> PyResult<()> {
    lazy_cli::start_no_pool();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<stored::StoredArray>()?;
    module.add_function(wrap_pyfunction!(store::store, module)?)?;
    module.add_function(wrap_pyfunction!(store::reduce, module)?)?;
    module.add_function(wrap_pyfunction!(stored::open, module)?)?;
    module.add_function(wrap_pyfunction!(plan::plan_parts, module)?)?;
    module.add_function(wrap_pyfunction!(plan::plan_run, module)?)?;
    module.add_function(wrap_pyfunction!(plan::plan_finish, module)?)?;
    module.add_function(wrap_pyfunction!(plan::plan_status, module)?)?;
    module.add_function(wrap_pyfunction!(run_program, module)?)?;
    module.add_function(wrap_pyfunction!(attach::wait_at_exit, module)?)?;
    module.add_function(wrap_pyfunction!(copies, module)?)
}
