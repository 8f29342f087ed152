//! Attributes of arrays.

use std::str::FromStr;

use serde_json::Value;

/// An attribute, written as a name and a value: `l2=0.001`. A value that is not JSON is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Attribute, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                Ok(Attribute { name: name.to_owned(), value })
            }
            _ => Err(format!("{text:?} is not an attribute; give a name and a value: l2=0.001")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let value = |text: &str| text.parse::<Attribute>().map(|attribute| attribute.value);
        assert_eq!(value("a=1e-3"), Ok(serde_json::json!(1e-3)));
        assert_eq!(value("a=[1,2]"), Ok(serde_json::json!([1, 2])));
        assert_eq!(value("a=b=c"), Ok("b=c".into()));
        assert!(value("a").is_err() && value("=a").is_err());
    }
}
