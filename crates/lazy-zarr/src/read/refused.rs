//! The reason that metadata is refused: it is malformed, or valid but not supported.

use lazy_core::BoxError;
use serde_json::{Map, Value};
use zarrs::array::ArrayCreateError;
use zarrs::plugin::PluginCreateError;
use zarrs::storage::StorageError;

use crate::error::{ReadError, foreign};

/// Returns the error for metadata that could not be opened as an array.
pub(super) fn refused(target: &str, metadata: &[u8], error: BoxError) -> ReadError {
    let error = match error.downcast() {
        Ok(refused) => return *refused,
        Err(error) => error,
    };
    let target = target.to_owned();
    let metadata: Value = serde_json::from_slice(metadata).unwrap_or_default();
    let unsupported = |target, reason: String| ReadError::Open { target, source: reason.into() };
    let malformed = |target, reason: String| ReadError::Malformed { target, source: reason.into() };
    if let Some(version) = metadata["zarr_format"].as_u64().filter(|n| !(2..=3).contains(n)) {
        return unsupported(target, format!("its zarr_format {version} is not supported"));
    }
    if error.to_string().contains("recursion limit exceeded") {
        return unsupported(target, "its metadata is nested beyond the recursion limit".to_owned());
    }
    if error.is::<serde_json::Error>() {
        return malformed(target, plain(&error.to_string()));
    }
    // Of Zarr v2, and of extensions of v3, more is valid than this library knows.
    let Some(created) = error.downcast_ref().filter(|_| metadata["zarr_format"] != 2) else {
        return ReadError::Open { target, source: foreign(error) };
    };
    use ArrayCreateError as E;
    let (what, plugin) = match created {
        E::CodecsCreateError(plugin) => ("codecs", plugin),
        E::ChunkGridCreateError(plugin) => ("chunk_grid", plugin),
        E::ChunkKeyEncodingCreateError(plugin) => ("chunk_key_encoding", plugin),
        E::DataTypeCreateError(plugin) => ("data_type", plugin),
        E::StorageTransformersCreateError(plugin) => ("storage_transformers", plugin),
        E::StorageError(StorageError::InvalidMetadata(_, reason))
            if !reason.contains("untagged enum") =>
        {
            return malformed(target, plain(reason));
        }
        E::InvalidFillValue { .. }
        | E::InvalidFillValueMetadata { .. }
        | E::InvalidChunkGridDimensionality(..)
        | E::InvalidDimensionNames(..)
        | E::InvalidSubchunkShape(_) => return malformed(target, created.to_string()),
        _ => return ReadError::Open { target, source: foreign(error) },
    };
    let reason = match plugin {
        PluginCreateError::ConfigurationInvalid(invalid) => invalid.to_string(),
        PluginCreateError::NameInvalid { .. } => plugin.to_string(),
        PluginCreateError::Other(reason) if !reason.contains("unsupported") => reason.clone(),
        _ => return ReadError::Open { target, source: foreign(error) },
    };
    let codecs = metadata["codecs"].as_array().map_or(&[][..], |codecs| codecs);
    match first_problem(codecs).filter(|_| what == "codecs") {
        Some(Problem::Invalid(reason)) => malformed(target, reason),
        Some(Problem::Unsupported(reason)) => unsupported(target, reason),
        // The rest of the message names types of Rust.
        None if reason.contains("untagged enum") => {
            unsupported(target, format!("a configuration in its entry `{what}` is not supported"))
        }
        None => {
            let reason = reason.trim_start_matches("configuration is unsupported: ");
            let is_standard = if what == "codecs" {
                codecs
                    .iter()
                    .filter_map(name_of)
                    .all(|name| name == "crc32c" || fields(name).is_some())
            } else {
                name_of(&metadata[what])
                    .is_some_and(|name| ["regular", "default", "v2"].contains(&name))
            };
            if is_standard {
                malformed(target, plain(&format!("its entry `{what}` is invalid: {reason}")))
            } else {
                unsupported(
                    target,
                    plain(&format!("its entry `{what}` is not supported: {reason}")),
                )
            }
        }
    }
}

/// Returns a message of `serde_json` without names of Rust, and without the position: the text that
/// it refers to is not the text of the file.
fn plain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    message
        .replace("a nonzero u64", "a whole number from 1 on")
        .replace("u64", "a whole number from 0 on")
}

/// A problem in the configuration of a codec.
enum Problem {
    Invalid(String),
    Unsupported(String),
}

/// The values that a field of a configuration can have.
enum Values {
    /// A whole number from the first to the second.
    Number(i64, i64),
    Flag,
    OneOf(&'static [&'static str]),
    /// A size of a chunk along each axis.
    Shape,
    /// The numbers from 0 on in any order.
    Order,
    Codecs,
}

struct Field {
    name: &'static str,
    values: Values,
    is_required: bool,
}

/// Returns the fields of the configuration of a codec, if they are known.
fn fields(codec: &str) -> Option<Vec<Field>> {
    use Values as V;
    let required = |name, values| Field { name, values, is_required: true };
    let optional = |name, values| Field { name, values, is_required: false };
    Some(match codec {
        "blosc" => vec![
            required("cname", V::OneOf(&["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"])),
            required("clevel", V::Number(0, 9)),
            optional("shuffle", V::OneOf(&["noshuffle", "shuffle", "bitshuffle"])),
            optional("typesize", V::Number(0, i64::MAX)),
            required("blocksize", V::Number(0, i64::MAX)),
        ],
        "gzip" => vec![required("level", V::Number(0, 9))],
        "zstd" => {
            vec![required("level", V::Number(-131_072, 22)), optional("checksum", V::Flag)]
        }
        "bytes" => vec![optional("endian", V::OneOf(&["little", "big"]))],
        "transpose" => vec![required("order", V::Order)],
        "sharding_indexed" => vec![
            required("chunk_shape", V::Shape),
            required("codecs", V::Codecs),
            required("index_codecs", V::Codecs),
            optional("index_location", V::OneOf(&["start", "end"])),
        ],
        _ => return None,
    })
}

/// Returns the name of an extension, which may have a configuration.
fn name_of(extension: &Value) -> Option<&str> {
    extension.as_str().or(extension["name"].as_str())
}

/// Returns the first problem in the configuration of a codec, or of a codec within a shard.
fn first_problem(codecs: &[Value]) -> Option<Problem> {
    codecs.iter().find_map(|codec| {
        let name = name_of(codec)?;
        let known = fields(name)?;
        let empty = Map::new();
        let configuration = codec["configuration"].as_object().unwrap_or(&empty);
        let invalid = |field: &Field| field.problem(name, configuration.get(field.name));
        known.iter().find_map(invalid).or_else(|| {
            let is_known = |field: &String| known.iter().any(|known| known.name == field);
            let unknown = configuration.keys().find(|field| !is_known(field))?;
            Some(Problem::Unsupported(format!(
                "the field `{unknown}` of its codec {name} is not supported"
            )))
        })
    })
}

impl Field {
    fn problem(&self, codec: &str, value: Option<&Value>) -> Option<Problem> {
        let field = format!("the field `{}` of its codec {codec}", self.name);
        let Some(value) = value else {
            let missing = || Problem::Invalid(format!("{field} is missing"));
            return self.is_required.then(missing);
        };
        let must_be =
            |what: &str| Some(Problem::Invalid(format!("{field} is {value}, but must be {what}")));
        let numbers =
            || -> Option<Vec<u64>> { value.as_array()?.iter().map(Value::as_u64).collect() };
        match self.values {
            Values::Number(least, most) => match value.as_i64() {
                Some(number) if (least..=most).contains(&number) => None,
                _ if most == i64::MAX => must_be(&format!("a whole number from {least} on")),
                _ => must_be(&format!("a whole number from {least} to {most}")),
            },
            Values::Flag => value.as_bool().map_or_else(|| must_be("true or false"), |_| None),
            Values::OneOf(names) => match value.as_str() {
                Some(name) if names.contains(&name) => None,
                Some(_) => Some(Problem::Unsupported(format!(
                    "{field} is {value}; supported are {}",
                    names.join(", ")
                ))),
                None => must_be(&format!("one of {}", names.join(", "))),
            },
            Values::Shape => match numbers() {
                Some(sizes) if !sizes.contains(&0) => None,
                _ => must_be("a list of whole numbers from 1 on"),
            },
            Values::Order => match numbers() {
                Some(mut order) => {
                    order.sort_unstable();
                    let is_order = order.iter().copied().eq(0..order.len() as u64);
                    if is_order { None } else { must_be("a permutation of the axes from 0 on") }
                }
                None => must_be("a permutation of the axes from 0 on"),
            },
            Values::Codecs => match value.as_array() {
                Some(codecs) => first_problem(codecs),
                None => must_be("a list of codecs"),
            },
        }
    }
}
