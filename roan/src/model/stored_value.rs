//! A value as a database renders it, for the `Deserialize` of a field's type.
//!
//! The type says what it expects, and the value is read as that: `1` of a column is a number, a `bool` or a text.

use serde_core::de::value::{SeqDeserializer, StrDeserializer};
use serde_core::de::{Error as _, IntoDeserializer, Visitor};
use serde_core::{Deserializer, forward_to_deserialize_any};
use serde_json::{Error, Value};

/// A value of a column.
#[derive(Debug, Clone, Copy)]
pub enum StoredValue<'a> {
    /// What PostgreSQL or another program has stored as JSON: not a text.
    Json(&'a Value),
    /// The text of whatever it is.
    Text(&'a str),
    /// Bytes that are not a text.
    Bytes(&'a [u8]),
}

impl StoredValue<'_> {
    fn is_true(self) -> Option<bool> {
        match self {
            Self::Json(Value::Bool(value)) => Some(*value),
            Self::Json(Value::Number(number)) => number.as_i64().map(|number| number != 0),
            // MySQL's `BIT(1)`.
            Self::Bytes(bytes) => Some(bytes.iter().any(|byte| *byte != 0)),
            Self::Text("true" | "TRUE" | "t") => Some(true),
            Self::Text("false" | "FALSE" | "f") => Some(false),
            Self::Text(text) => text.parse().ok().map(|number: i64| number != 0),
            Self::Json(_) => None,
        }
    }

    /// A text that is JSON, for a type that reads maps or lists.
    fn document(self) -> Option<Value> {
        match self {
            Self::Text(text) if text.starts_with(['{', '[']) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

/// A number from its text, or as it is in JSON.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Self::Text(text) => match text.parse::<$type>() {
                    Ok(number) => visitor.$visit(number),
                    Err(error) => Err(Error::custom(error)),
                },
                other => other.deserialize_any(visitor),
            }
        })*
    };
}

/// A map or a list, also from a text of JSON.
macro_rules! documents {
    ($($method:ident ($($argument:ident: $type:ty),*)),*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            match (self, self.document()) {
                (Self::Json(value), _) => value.$method($($argument,)* visitor),
                (_, Some(value)) => value.$method($($argument,)* visitor),
                (Self::Bytes(bytes), _) => {
                    SeqDeserializer::new(bytes.iter().copied()).deserialize_any(visitor)
                }
                (Self::Text(_), None) => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for StoredValue<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self, self.document()) {
            (Self::Json(value), _) => value.deserialize_any(visitor),
            (_, Some(value)) => value.deserialize_any(visitor),
            (Self::Text(text), None) => visitor.visit_str(text),
            (Self::Bytes(bytes), None) => visitor.visit_bytes(bytes),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.is_true() {
            Some(value) => visitor.visit_bool(value),
            None => self.deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64
    }

    documents! {
        deserialize_seq(), deserialize_map(), deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }

    /// Never as JSON: a text is itself.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_str(text),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Json(Value::Null) => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// By the name of the variant. A number is not one: it would be the variant's place in the source.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (self, self.document()) {
            (Self::Json(value), _) => value.deserialize_enum(name, variants, visitor),
            (_, Some(value)) => value.deserialize_enum(name, variants, visitor),
            (Self::Text(text), None) => {
                let name: StrDeserializer<'_, Error> = text.into_deserializer();
                visitor.visit_enum(name)
            }
            (Self::Bytes(_), None) => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! { unit unit_struct ignored_any }
}

/// Other spellings of a time: `2024-01-01 12:00:00` as RFC 3339 writes it, in UTC where no offset is given, and as the crate
/// `time` does.
pub(super) fn spellings(text: &str) -> Vec<String> {
    let Some((date, rest)) = text.get(..10).zip(text.get(11..)) else {
        return Vec::new();
    };
    let is_date = date.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !is_date || !matches!(text.as_bytes()[10], b' ' | b'T') {
        return Vec::new();
    }
    let end = rest.find(['+', '-', 'Z']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(end);
    let offset = match offset.len() {
        // PostgreSQL writes whole hours alone.
        3 => format!("{offset}:00"),
        _ => offset.replace('Z', "+00:00"),
    };
    let fraction = if time.contains('.') { "" } else { ".0" };
    let written = format!("{date}T{time}{offset}");
    if offset.is_empty() {
        return vec![
            written.clone(),
            written + "Z",
            format!("{date} {time}{fraction}"),
            format!("{date} {time}{fraction} +00:00:00"),
        ];
    }
    vec![written, format!("{date} {time}{fraction} {offset}:00")]
}
