//! The settings of a write, and its target.

use std::collections::HashMap;
use std::path::PathBuf;

use lazy_chunks::half::{bf16, f16};
use lazy_chunks::num_complex::Complex;
use lazy_chunks::zarr::{
    Checksum, Codec, Durability, Existing, Resume, StoreOptions, Target, ZarrSink,
};
use lazy_chunks::{Casting, DType};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::arrays::dtype_named;
use crate::cast::Cast;
use crate::errors::raised;
use crate::sequence::Declared;

/// The most bytes in a shard of automatic size.
const SHARD_BYTES: usize = 128 << 20;

/// A path or a URL, with options of the store, as the module `lazy_chunks._targets` reads it.
pub(crate) fn target(target: &Bound<'_, PyAny>) -> PyResult<Target> {
    let py = target.py();
    let read = py.import("lazy_chunks._targets")?.call_method1("resolve", (target,))?;
    let (place, options, members): (
        Bound<'_, PyAny>,
        Option<HashMap<String, String>>,
        Vec<String>,
    ) = read.extract()?;
    let target = match place.cast::<PyString>() {
        Ok(url) => Target::from(url.to_cow()?.as_ref()),
        Err(_) => Target::from(place.extract::<PathBuf>()?),
    };
    let options = options.map(|options| {
        let set = |set: StoreOptions, (key, value)| set.with(key, value);
        options.into_iter().fold(StoreOptions::new(), set)
    });
    let target = match options {
        Some(options) => target.with_store_options(options),
        None => target,
    };
    Ok(members.into_iter().fold(target, |group, name| group.member(name)))
}

/// Sizes of chunks or shards.
enum Sizes {
    Automatic,
    Blocks,
    Explicit(Vec<usize>),
}

/// Returns the exception for an argument of another kind.
pub(crate) fn wrong(name: &str, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let value = value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
    PyTypeError::new_err(format!("{name} must be {expected}, got {value}"))
}

/// The settings of a write, as a dict of the arguments.
pub(crate) struct Settings<'py>(pub(crate) Bound<'py, PyDict>);

impl<'py> Settings<'py> {
    /// Returns an argument, unless it is `None`.
    pub(crate) fn get(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    pub(crate) fn value<T>(&self, name: &str) -> PyResult<Option<T>>
    where
        T: FromPyObjectOwned<'py>,
    {
        let Some(value) = self.get(name)? else { return Ok(None) };
        value.extract::<T>().map(Some).map_err(|error| {
            let error: PyErr = error.into();
            let problem = error.value(value.py());
            PyTypeError::new_err(format!("argument {name}: {problem}"))
        })
    }

    /// Returns a number that is at least 1.
    pub(crate) fn count(&self, name: &str) -> PyResult<Option<usize>> {
        let count = self.value::<i64>(name)?;
        let count = count.map(|count| {
            let at_least_1 = usize::try_from(count).ok().filter(|count| *count > 0);
            at_least_1.ok_or_else(|| {
                PyValueError::new_err(format!("{name} must be at least 1, got {count}"))
            })
        });
        count.transpose()
    }

    /// Returns a function.
    pub(crate) fn function(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.get(name)? {
            Some(value) if !value.is_callable() => Err(wrong(name, "a function", &value)),
            function => Ok(function),
        }
    }

    fn is_set(&self, name: &str) -> PyResult<bool> {
        Ok(self.value::<bool>(name)?.unwrap_or(false))
    }

    /// Returns what the arguments declare of the sequence.
    pub(crate) fn declared(&self) -> PyResult<Declared> {
        let row_type = match self.get("row_type")? {
            Some(row_type) => {
                let read = row_type.extract::<(Bound<'_, PyAny>, Vec<usize>)>();
                let (dtype, shape) = read.map_err(|_| {
                    wrong("row_type", "(dtype, shape), such as (\"float32\", [64])", &row_type)
                })?;
                Some((dtype_named(&dtype)?, shape))
            }
            None => None,
        };
        let n_threads = self.count("threads")?;
        let keeps_arrays = self.value::<bool>("copy")? == Some(false);
        let (memory_limit, cast) = (self.memory_limit()?, self.cast()?);
        Ok(Declared { n_threads, row_type, memory_limit, keeps_arrays, cast })
    }

    fn memory_limit(&self) -> PyResult<Option<u64>> {
        let Some(limit) = self.get("memory_limit")? else { return Ok(None) };
        match limit.extract::<String>() {
            Ok(text) => lazy_cli::memory_size(&text).map(Some).map_err(PyValueError::new_err),
            Err(_) => self.count("memory_limit").map(|limit| limit.map(|limit| limit as u64)),
        }
    }

    fn sizes(&self, name: &str) -> PyResult<Option<Sizes>> {
        let Some(sizes) = self.get(name)? else { return Ok(None) };
        match sizes.extract::<String>() {
            Ok(text) if text == "auto" => Ok(Some(Sizes::Automatic)),
            Ok(text) if text == "blocks" => Ok(Some(Sizes::Blocks)),
            Ok(text) => Err(PyValueError::new_err(format!(
                "{name} must be a shape, \"auto\" or \"blocks\", got {text:?}"
            ))),
            Err(_) => match sizes.extract::<Vec<i64>>() {
                Ok(shape) if shape.iter().all(|size| *size > 0) => {
                    Ok(Some(Sizes::Explicit(shape.iter().map(|size| *size as usize).collect())))
                }
                Ok(_) => Err(PyValueError::new_err(format!(
                    "{name} must have sizes of at least 1, got {}",
                    sizes.repr()?
                ))),
                Err(_) => {
                    Err(wrong(name, "a shape such as (100, 100), \"auto\" or \"blocks\"", &sizes))
                }
            },
        }
    }

    fn codec(&self) -> PyResult<Option<Codec>> {
        let Some(text) = self.value::<String>("codec")? else { return Ok(None) };
        lazy_cli::codec(&text).map(Some).map_err(PyValueError::new_err)
    }

    fn dtype(&self) -> PyResult<Option<DType>> {
        self.get("dtype")?.map(|dtype| dtype_named(&dtype)).transpose()
    }

    /// Returns the cast to the dtype of the array, if the user has chosen one.
    fn cast(&self) -> PyResult<Option<Cast>> {
        let casting = match self.value::<String>("casting")?.as_deref() {
            None => None,
            Some("safe") => Some(Casting::Safe),
            Some("same_kind") => Some(Casting::SameKind),
            Some("unsafe") => Some(Casting::Unsafe),
            Some(other) => {
                return Err(PyValueError::new_err(format!(
                    "casting must be \"safe\", \"same_kind\" or \"unsafe\", got {other:?}"
                )));
            }
        };
        Ok(self.dtype()?.map(|dtype| Cast { dtype, casting }))
    }

    fn existing(&self) -> PyResult<Existing> {
        match (self.is_set("overwrite")?, self.is_set("append")?) {
            (true, true) => Err(PyValueError::new_err("overwrite and append exclude each other")),
            (true, false) => Ok(Existing::Replace),
            (false, true) => Ok(Existing::Append),
            (false, false) => Ok(Existing::Fail),
        }
    }

    /// Checks the target before the first block is computed.
    pub(crate) fn check_target(&self, target: &Target) -> PyResult<()> {
        let sink = self.sink_without_fill_value(target.clone())?;
        let py = self.0.py();
        py.detach(|| sink.check_target()).map_err(|error| raised(py, error))
    }

    fn resume(&self) -> PyResult<Option<Resume>> {
        let Some(resume) = self.get("resume")? else { return Ok(None) };
        let is_text = resume.is_instance_of::<PyString>();
        let is_resume = resume.hasattr("key")? && resume.hasattr("revision")?;
        if !is_text && !is_resume {
            return Err(wrong("resume", "a str or a Resume", &resume));
        }
        let key = if is_text { resume.clone() } else { resume.getattr("key")? };
        let key: String = key.extract()?;
        if key.is_empty() {
            return Err(PyValueError::new_err(
                "resume is empty, but it is the text by which a write is recognized",
            ));
        }
        if is_text {
            return Ok(Some(Resume::new(key)));
        }
        let mut settings = Resume::new(key);
        if let Some(revision) = resume.getattr("revision")?.extract::<Option<String>>()? {
            settings = settings.with_revision(revision);
        }
        if resume.getattr("restart")?.extract()? {
            settings = settings.or_restart();
        }
        Ok(Some(settings))
    }

    /// Sets the shapes of chunks and shards.
    fn with_layout(&self, mut sink: ZarrSink) -> PyResult<ZarrSink> {
        match self.sizes("chunks")? {
            Some(Sizes::Explicit(shape)) => sink = sink.with_chunk_shape(shape),
            Some(Sizes::Blocks) => sink = sink.with_chunks_of_blocks(),
            Some(Sizes::Automatic) | None => {}
        }
        match self.sizes("shards")? {
            Some(Sizes::Explicit(shape)) => sink = sink.with_shard_shape(shape),
            Some(Sizes::Automatic) => sink = sink.with_shard_bytes(SHARD_BYTES),
            Some(Sizes::Blocks) => {
                return Err(PyValueError::new_err("shards must be a shape or \"auto\""));
            }
            None => {}
        }
        Ok(sink)
    }

    /// Returns the sink of the write. `dtype_of_blocks` is that of the blocks, if it is known before
    /// they are computed.
    pub(crate) fn sink(
        &self,
        target: Target,
        dtype_of_blocks: Option<DType>,
    ) -> PyResult<ZarrSink> {
        let sink = self.sink_without_fill_value(target)?;
        let Some(fill) = self.get("fill_value")? else { return Ok(sink) };
        let of_rows = self.declared()?.row_type.map(|(dtype, _)| dtype);
        let Some(dtype) = self.dtype()?.or(of_rows).or(dtype_of_blocks) else {
            return Err(PyValueError::new_err(
                "fill_value needs `dtype` or `row_type`, since the blocks have yet to be computed",
            ));
        };
        with_fill_value(sink, dtype, &fill)
    }

    /// Returns the sink with all settings that do not depend on the blocks.
    fn sink_without_fill_value(&self, target: Target) -> PyResult<ZarrSink> {
        let py = self.0.py();
        let mut sink = self.with_layout(ZarrSink::new(target).with_existing(self.existing()?))?;
        if let Some(codec) = self.codec()? {
            sink = sink.with_codec(codec);
        }
        match self.value("checksum")? {
            Some(true) => sink = sink.with_checksum(Checksum::Crc32c),
            Some(false) => sink = sink.with_checksum(Checksum::None),
            None => {}
        }
        if let Some(dims) = self.get("dims")?.filter(PyAnyMethods::is_instance_of::<PyString>) {
            return Err(wrong("dims", "a sequence of names", &dims));
        }
        if let Some(names) = self.value::<Vec<String>>("dims")? {
            sink = sink.with_dimension_names(names);
        }
        if let Some(attributes) = self.get("attrs")? {
            let options = PyDict::new(py);
            options.set_item("allow_nan", false)?;
            let text = py.import("json")?.call_method("dumps", (&attributes,), Some(&options));
            let text: String = text
                .map_err(|error| {
                    let problem = error.value(py).to_string();
                    PyTypeError::new_err(format!("attrs must have values that JSON has: {problem}"))
                })?
                .extract()?;
            let attributes: HashMap<String, serde_json::Value> = serde_json::from_str(&text)
                .map_err(|error| PyTypeError::new_err(format!("attrs must be a dict: {error}")))?;
            for (name, value) in attributes {
                sink = sink.with_attribute(name, value);
            }
        }
        if let Some(n_threads) = self.count("threads")? {
            sink = sink.with_writer_threads(n_threads);
        }
        if let Some(resume) = self.resume()? {
            sink = sink.with_resume(resume);
        }
        if self.value::<bool>("flush")? == Some(false) {
            sink = sink.with_durability(Durability::None);
        }
        Ok(sink)
    }
}

/// Sets a fill value of a dtype.
fn with_fill_value(sink: ZarrSink, dtype: DType, fill: &Bound<'_, PyAny>) -> PyResult<ZarrSink> {
    macro_rules! exact {
        ($($variant:ident $element:ty),*; $($float:ident $make:expr),*) => {
            match dtype {
                $(DType::$variant => sink.with_fill_value(fill.extract::<$element>()?),)*
                $(DType::$float => sink.with_fill_value($make(fill.extract::<f64>()?)),)*
                DType::Complex64 => {
                    let (re, im) = parts(fill)?;
                    sink.with_fill_value(Complex::new(re as f32, im as f32))
                }
                DType::Complex128 => {
                    let (re, im) = parts(fill)?;
                    sink.with_fill_value(Complex::new(re, im))
                }
            }
        };
    }
    let set = || -> PyResult<ZarrSink> {
        Ok(exact!(
            Bool bool, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8, UInt16 u16, UInt32 u32,
            UInt64 u64;
            Float16 f16::from_f64, BFloat16 bf16::from_f64, Float32 (|x| x as f32), Float64 (|x: f64| x)
        ))
    };
    set().map_err(|error| {
        let problem = error.value(fill.py()).to_string();
        PyValueError::new_err(format!(
            "fill_value is not one element of {}: {problem}",
            dtype.name()
        ))
    })
}

/// Returns the real and the imaginary part of a number.
fn parts(number: &Bound<'_, PyAny>) -> PyResult<(f64, f64)> {
    Ok((number.getattr("real")?.extract()?, number.getattr("imag")?.extract()?))
}
