//! A value as a database renders it, for the `Deserialize` of a field's type.
//!
//! The type says what it expects, and the value is read as that: `1` of a column is a number, a `bool` or a text.

use serde_core::de::value::{SeqDeserializer, StrDeserializer};
use serde_core::de::{Error as _, IntoDeserializer, Visitor};
use serde_core::{Deserializer, forward_to_deserialize_any};
use serde_json::{Error, Value};

/// A value of a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum StoredValue<'a> {
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
            // A database may consider JSON to be bytes.
            Self::Bytes(bytes) if bytes.starts_with(b"{") => serde_json::from_slice(bytes).ok(),
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

/// A list of `bytes`, or a map or a list from JSON, which may be a text.
macro_rules! documents {
    ($bytes:ident: $($method:ident ($($argument:ident: $type:ty),*)),*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            match (self, self.document()) {
                (Self::Json(value), _) => value.$method($($argument,)* visitor),
                (Self::Bytes(bytes), document) => $bytes(bytes, document, visitor),
                (Self::Text(_), Some(value)) => value.$method($($argument,)* visitor),
                (Self::Text(_), None) => self.deserialize_any(visitor),
            }
        })*
    };
}

/// Whatever the bytes are, also if they are JSON.
fn list_of_bytes<'de, V: Visitor<'de>>(
    bytes: &[u8],
    _: Option<Value>,
    visitor: V,
) -> Result<V::Value, Error> {
    SeqDeserializer::new(bytes.iter().copied()).deserialize_any(visitor)
}

fn map_of_bytes<'de, V: Visitor<'de>>(
    bytes: &'de [u8],
    document: Option<Value>,
    visitor: V,
) -> Result<V::Value, Error> {
    match document {
        Some(value) => value.deserialize_any(visitor),
        None => visitor.visit_bytes(bytes),
    }
}

impl<'de> Deserializer<'de> for StoredValue<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self, self.document()) {
            (Self::Json(value), _) => value.deserialize_any(visitor),
            (Self::Text(_), Some(value)) => value.deserialize_any(visitor),
            (Self::Text(text), None) => visitor.visit_str(text),
            (Self::Bytes(bytes), _) => visitor.visit_bytes(bytes),
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
        list_of_bytes: deserialize_seq(), deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize)
    }

    documents! {
        map_of_bytes: deserialize_map(),
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

#[cfg(test)]
mod tests {
    use serde_core::de::DeserializeOwned;

    use super::*;

    fn read<T: DeserializeOwned>(value: StoredValue<'_>) -> Option<T> {
        T::deserialize(value).ok()
    }

    #[test]
    fn a_value_is_read_as_the_type_that_is_expected() {
        for (text, value) in [
            ("1", true),
            ("0", false),
            ("t", true),
            ("false", false),
            ("2", true),
        ] {
            assert_eq!(read::<bool>(StoredValue::Text(text)), Some(value), "{text}");
        }
        assert_eq!(read::<bool>(StoredValue::Text("yes")), None);
        assert_eq!(read::<bool>(StoredValue::Bytes(&[1])), Some(true));
        assert_eq!(read::<u8>(StoredValue::Text("0042")), Some(42));
        assert_eq!(read::<u8>(StoredValue::Text("256")), None);
        assert_eq!(read::<u8>(StoredValue::Text("1.0")), None);
        assert_eq!(
            read::<f32>(StoredValue::Text("0.10000000149011612")),
            Some(0.1)
        );
        assert_eq!(
            read::<String>(StoredValue::Text("[1]")).as_deref(),
            Some("[1]")
        );
        assert_eq!(read::<String>(StoredValue::Json(&Value::from(1))), None);
        assert_eq!(
            read::<Vec<u8>>(StoredValue::Bytes(b"{}")),
            Some(b"{}".to_vec())
        );
        assert_eq!(
            read::<Vec<u8>>(StoredValue::Text("[1,2]")),
            Some(vec![1, 2])
        );
        let map = read::<std::collections::HashMap<String, u8>>(StoredValue::Bytes(b"{\"a\":1}"));
        assert_eq!(map.map(|map| map["a"]), Some(1));
        assert_eq!(
            read::<Option<u8>>(StoredValue::Json(&Value::Null)),
            Some(None)
        );
        assert_eq!(
            read::<Value>(StoredValue::Text("{}")),
            Some(serde_json::json!({}))
        );
    }

    /// The number of a variant in a database is not its place in the source.
    #[test]
    fn an_enum_is_read_by_name_only() {
        type Either = Result<(), ()>;
        assert_eq!(read::<Either>(StoredValue::Text("0")), None);
        assert_eq!(read::<Either>(StoredValue::Json(&Value::from(0))), None);
    }

    #[test]
    fn a_time_has_the_spellings_of_its_readers() {
        assert_eq!(
            spellings("2024-01-02 03:04:05.5"),
            [
                "2024-01-02T03:04:05.5",
                "2024-01-02T03:04:05.5Z",
                "2024-01-02 03:04:05.5",
                "2024-01-02 03:04:05.5 +00:00:00"
            ]
        );
        assert_eq!(
            spellings("2024-01-02T03:04:05+05"),
            [
                "2024-01-02T03:04:05+05:00",
                "2024-01-02 03:04:05.0 +05:00:00"
            ]
        );
        for text in [
            "",
            "2024-01-02",
            "not a date: at all",
            "2024-01-02x03:04:05",
            "äöüäöüäöüä",
        ] {
            assert_eq!(spellings(text), [""; 0], "{text}");
        }
    }
}
