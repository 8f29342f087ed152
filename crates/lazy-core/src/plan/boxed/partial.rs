//! Results of parts whose types are chosen at run time.

use std::any::Any;
use std::fmt;

use serde::de::{self, DeserializeOwned, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Result;
use crate::error::Case;

/// The result of a [`BoxedDivisibleReducer`](super::BoxedDivisibleReducer) for one part, which is
/// serialized as a string of bytes.
pub struct BoxedPartial(Content);

enum Content {
    /// The result of this process.
    Made(Box<dyn Made>),
    /// A stored result, in CBOR.
    Stored(Vec<u8>),
}

/// A result without its type.
trait Made {
    fn to_bytes(&self) -> Result<Vec<u8>, String>;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<P: Serialize + 'static> Made for P {
    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        match ciborium::into_writer(self, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(error.to_string()),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl BoxedPartial {
    pub(super) fn new<P: Serialize + 'static>(partial: P) -> BoxedPartial {
        BoxedPartial(Content::Made(Box::new(partial)))
    }

    /// Returns the result of the reducer with this name.
    pub(super) fn open<P: DeserializeOwned + 'static>(self, name: &str) -> Result<P> {
        match self.0 {
            Content::Made(made) => Ok(*made
                .into_any()
                .downcast()
                .expect("a reducer receives the results of its own parts")),
            Content::Stored(bytes) => ciborium::from_reader(&*bytes)
                .map_err(|_| Case::StateUnreadable { statistic: name.to_owned() }.into()),
        }
    }
}

impl fmt::Debug for BoxedPartial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedPartial").finish_non_exhaustive()
    }
}

impl Serialize for BoxedPartial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Content::Made(made) => {
                serializer.serialize_bytes(&made.to_bytes().map_err(S::Error::custom)?)
            }
            Content::Stored(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for BoxedPartial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BoxedPartial, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string of bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_owned())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }

        let bytes = deserializer.deserialize_byte_buf(Bytes)?;
        Ok(BoxedPartial(Content::Stored(bytes)))
    }
}
