//! Conversion of the caller's attributes to JSON.

use serde::Serialize;
use serde_json::Value;

use super::provenance;

/// Returns the value of an attribute as JSON, or the reason that it cannot be stored.
pub(crate) fn attribute(name: &str, value: &impl Serialize) -> std::result::Result<Value, String> {
    if name == provenance::ATTRIBUTE {
        return Err("the name is reserved".to_owned());
    }
    let json = serde_json::to_value(value).map_err(|error| error.to_string())?;
    // The value is nested deeper in the metadata than on its own, and JSON that is nested too
    // deeply cannot be read back.
    let metadata = serde_json::json!({ "attributes": { name: &json } }).to_string();
    serde_json::from_str::<Value>(&metadata).map_err(|error| error.to_string())?;
    // JSON turns a number that it cannot represent into null. CBOR keeps the number.
    match ciborium::Value::serialized(value) {
        Ok(value) if holds_non_finite(&value) => {
            Err("it contains NaN or an infinity, which JSON cannot represent".to_owned())
        }
        Ok(_) => Ok(json),
        Err(error) => Err(error.to_string()),
    }
}

fn holds_non_finite(value: &ciborium::Value) -> bool {
    match value {
        ciborium::Value::Float(number) => !number.is_finite(),
        ciborium::Value::Array(values) => values.iter().any(holds_non_finite),
        ciborium::Value::Map(entries) => entries.iter().any(|(_, value)| holds_non_finite(value)),
        _ => false,
    }
}
