//! Dtypes in headers.

use lazy_chunks::DType;

use super::literal::Literal;
use crate::input::sources::few;

/// The dtype of elements, and the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elements {
    pub(super) dtype: DType,
    /// True if the byte order is not the machine's.
    pub(super) is_swapped: bool,
}

/// Elements that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Python objects, the only dtype that is pickled.
    Objects,
    /// A dtype of NumPy that is not supported, with a remedy.
    Unsupported { dtype: String, remedy: &'static str },
    /// Not a dtype of NumPy.
    Unknown(String),
}

const SAVE_NUMBERS: &str = "save bool, integers, floats or complex numbers";

/// Reads the entry `descr` of a header, as `numpy.dtype` does.
pub(super) fn read(descr: &Literal) -> Result<Elements, Refused> {
    match descr {
        Literal::Text(text) => of_text(text),
        Literal::List(fields) if fields.iter().any(has_objects) => Err(Refused::Objects),
        Literal::List(fields) => Err(Refused::Unsupported {
            dtype: structured(fields),
            remedy: "save each field as an array, `array['name']`",
        }),
        // A dtype with the shape of each element.
        Literal::Tuple(items) if items.iter().any(has_objects) => Err(Refused::Objects),
        Literal::Tuple(_) => {
            Err(Refused::Unsupported { dtype: "subarray".to_owned(), remedy: SAVE_NUMBERS })
        }
        _ => Err(Refused::Unknown("its dtype is not text".to_owned())),
    }
}

fn of_text(text: &str) -> Result<Elements, Refused> {
    let (order, name) = match text.chars().next() {
        Some(order @ ('<' | '>' | '=' | '|')) => (order, &text[1..]),
        _ => ('=', text),
    };
    let unsupported = |dtype: String, remedy| Err(Refused::Unsupported { dtype, remedy });
    let dtype = match name {
        "?" | "b1" | "bool" | "bool_" => DType::Bool,
        "b" | "i1" | "int8" | "byte" => DType::Int8,
        "h" | "i2" | "int16" | "short" => DType::Int16,
        "i" | "i4" | "int32" | "intc" => DType::Int32,
        "l" | "q" | "p" | "i8" | "int64" | "int" | "intp" | "long" | "longlong" => DType::Int64,
        "B" | "u1" | "uint8" | "ubyte" => DType::UInt8,
        "H" | "u2" | "uint16" | "ushort" => DType::UInt16,
        "I" | "u4" | "uint32" | "uintc" => DType::UInt32,
        "L" | "Q" | "P" | "u8" | "uint64" | "uint" | "uintp" | "ulong" | "ulonglong" => {
            DType::UInt64
        }
        "e" | "f2" | "float16" | "half" => DType::Float16,
        "f" | "f4" | "float32" | "single" => DType::Float32,
        "d" | "f8" | "float64" | "double" | "float" => DType::Float64,
        "F" | "c8" | "complex64" | "csingle" => DType::Complex64,
        "D" | "c16" | "complex128" | "cdouble" | "complex" => DType::Complex128,
        "g" | "f10" | "f12" | "f16" | "float96" | "float128" | "longdouble" => {
            return unsupported(
                "longdouble".to_owned(),
                "save it as float64, with `array.astype('float64')`",
            );
        }
        "G" | "c20" | "c24" | "c32" | "complex192" | "complex256" | "clongdouble" => {
            return unsupported(
                "clongdouble".to_owned(),
                "save it as complex128, with `array.astype('complex128')`",
            );
        }
        // NumPy has no bfloat16. Its extensions write bfloat16 as raw bytes.
        "V2" => {
            return unsupported(
                "V2".to_owned(),
                "NumPy writes bfloat16 and other types as V2; use .safetensors files for bfloat16",
            );
        }
        name => return Err(of_other(name)),
    };
    // A single byte has no byte order.
    let is_other = if cfg!(target_endian = "big") { order == '<' } else { order == '>' };
    Ok(Elements { dtype, is_swapped: is_other && dtype.size() > 1 })
}

fn of_other(name: &str) -> Refused {
    let unsupported = |dtype: String, remedy| Refused::Unsupported { dtype, remedy };
    let n_digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let is_of = |kind: &str| name.len() - n_digits == kind.len() && name.starts_with(kind);
    let unit = |kind: &str| {
        name.strip_prefix(kind).filter(|unit| unit.is_empty() || unit.starts_with('['))
    };
    if let Some(unit) = unit("M8").or(unit("datetime64")) {
        return unsupported(
            format!("datetime64{unit}"),
            "save its integers, with `array.view('int64')`, and their unit as an attribute",
        );
    }
    if let Some(unit) = unit("m8").or(unit("timedelta64")) {
        return unsupported(
            format!("timedelta64{unit}"),
            "save its integers, with `array.view('int64')`, and their unit as an attribute",
        );
    }
    if is_of("O") || name == "object" {
        return Refused::Objects;
    }
    if is_of("U") || is_of("S") || is_of("a") || is_of("T") || matches!(name, "c" | "str" | "bytes")
    {
        return unsupported(format!("{name} (text)"), SAVE_NUMBERS);
    }
    if is_of("V") || name == "void" {
        return unsupported(format!("{name} (raw bytes)"), SAVE_NUMBERS);
    }
    Refused::Unknown(format!("{name:?} is not a dtype of NumPy"))
}

fn has_objects(literal: &Literal) -> bool {
    match literal {
        Literal::Text(text) => of_text(text) == Err(Refused::Objects),
        Literal::Tuple(items) | Literal::List(items) => items.iter().any(has_objects),
        _ => false,
    }
}

/// Describes a structured dtype by the names of its first fields.
fn structured(fields: &[Literal]) -> String {
    let name = |field: &Literal| match field {
        Literal::Tuple(items) => match items.first() {
            Some(Literal::Text(name)) => name.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let names: Vec<_> = fields.iter().map(name).collect();
    format!("structured (fields {})", few(&names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Elements, Refused> {
        read(&Literal::Text(text.to_owned()))
    }

    #[test]
    fn dtypes_have_several_names() {
        for (text, dtype) in [
            ("<f4", DType::Float32),
            ("f4", DType::Float32),
            ("=f4", DType::Float32),
            ("float32", DType::Float32),
            ("|b1", DType::Bool),
            ("?", DType::Bool),
            ("b", DType::Int8),
            (">u1", DType::UInt8),
            ("l", DType::Int64),
            ("D", DType::Complex128),
        ] {
            assert_eq!(of(text), Ok(Elements { dtype, is_swapped: false }), "{text}");
        }
        let swapped = if cfg!(target_endian = "big") { "<i2" } else { ">i2" };
        assert_eq!(of(swapped), Ok(Elements { dtype: DType::Int16, is_swapped: true }));
    }

    #[test]
    fn unsupported_dtypes_are_told_from_unknown_ones() {
        let unsupported = |text: &str| match of(text) {
            Err(Refused::Unsupported { dtype, .. }) => dtype,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(unsupported("<f16"), "longdouble");
        assert_eq!(unsupported("<c32"), "clongdouble");
        assert_eq!(unsupported("<M8[ns]"), "datetime64[ns]");
        assert_eq!(unsupported("<m8[25s]"), "timedelta64[25s]");
        assert_eq!(unsupported("<U3"), "U3 (text)");
        assert_eq!(unsupported("|V16"), "V16 (raw bytes)");
        assert_eq!(of("|O"), Err(Refused::Objects));
        for text in ["", "<", "f3", "é", "<é4", "M8ns", "U3x", "<<f4"] {
            assert!(matches!(of(text), Err(Refused::Unknown(_))), "{text}");
        }
    }

    #[test]
    fn fields_are_named() {
        let field = |name: &str, dtype: &str| {
            let [name, dtype] = [name, dtype].map(|text| Literal::Text(text.to_owned()));
            Literal::Tuple(vec![name, dtype])
        };
        let refused = |fields| read(&Literal::List(fields)).unwrap_err();
        match refused(vec![field("x", "<f4"), field("y", "<i8")]) {
            Refused::Unsupported { dtype, .. } => assert_eq!(dtype, "structured (fields x, y)"),
            other => panic!("{other:?}"),
        }
        assert_eq!(refused(vec![field("x", "<f4"), field("y", "|O")]), Refused::Objects);
    }
}
