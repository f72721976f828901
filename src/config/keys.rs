//! Keys that a configuration file can have, derived from the structures that it is parsed into.
//!
//! A [`Deserializer`] without data asks each structure for its fields and records their names. A new field is a known
//! key at once, and no separate list of keys can go stale.

use std::cell::RefCell;
use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::config::raw::RawConfig;

/// Placeholder in a path for a name that the user chooses, as in `transport.NAME.command`.
pub const NAME: &str = "NAME";

/// Returns the path of every key and table, sorted: `queue.retry.first`, `hook.inbound.command`.
pub fn keys() -> Vec<String> {
    keys_of::<RawConfig>()
}

fn keys_of<'de, T: Deserialize<'de>>() -> Vec<String> {
    let found = RefCell::default();
    let read = T::deserialize(Recorder { path: String::new(), found: &found });
    debug_assert!(read.is_ok(), "keys are missing: {:?}", read.err());
    let mut keys = found.into_inner();
    keys.sort();
    keys.dedup();
    keys
}

/// Deserializer of the value at one path. Its values are empty strings, zeros and collections of one element.
struct Recorder<'a> {
    path: String,
    found: &'a RefCell<Vec<String>>,
}

impl Recorder<'_> {
    fn child(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Recorder { path, found: self.found }
    }
}

/// Error of a type that accepts none of the sample values.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Refused {
        Refused(message.to_string())
    }
}

impl<'de> Deserializer<'de> for Recorder<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str("")
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(false)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(0)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(0)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f64(0.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(OneElement(Some(self)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let value = self.child(NAME);
        visitor.visit_map(Fields { names: &[NAME], key: self, value: Some(value) })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        // A value with its position in the file (`toml::Spanned`) deserializes as a structure. Its fields are not keys.
        let is_wrapper = name.starts_with("$__");
        if !is_wrapper {
            self.found.borrow_mut().extend(fields.iter().map(|field| self.child(field).path));
        }
        let value = is_wrapper.then(|| Recorder { path: self.path.clone(), found: self.found });
        visitor.visit_map(Fields { names: fields, key: self, value })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_enum(StrDeserializer::new(variants.first().copied().unwrap_or_default()))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// Sequence of one element, which has the path of the sequence.
struct OneElement<'a>(Option<Recorder<'a>>);

impl<'de> SeqAccess<'de> for OneElement<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.0.take().map(|element| seed.deserialize(element)).transpose()
    }
}

/// Fields of a structure, or the single entry of a map.
struct Fields<'a> {
    names: &'a [&'static str],
    /// Recorder of the structure itself.
    key: Recorder<'a>,
    /// Recorder of each value, if it is not that of a child with the field's name.
    value: Option<Recorder<'a>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        let Some(name) = self.names.first() else { return Ok(None) };
        seed.deserialize(KeyName(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let Some((name, rest)) = self.names.split_first() else { return Err(de::Error::custom("no value is left")) };
        self.names = rest;
        let value = match &self.value {
            Some(value) => Recorder { path: value.path.clone(), found: value.found },
            None => self.key.child(name),
        };
        seed.deserialize(value)
    }
}

/// Name of a field, which may itself be requested with its position in the file.
struct KeyName(&'static str);

impl<'de> Deserializer<'de> for KeyName {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        // A static string, because a value with its position in the file borrows the names of its fields.
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let found = RefCell::default();
        let key = Recorder { path: String::new(), found: &found };
        let value = Some(Recorder { path: String::new(), found: &found });
        visitor.visit_map(Fields { names: fields, key, value })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use toml::Spanned;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Outer {
        plain: String,
        number: Spanned<i64>,
        inner: Option<Inner>,
        #[serde(default)]
        named: BTreeMap<Spanned<String>, Spanned<Inner>>,
        many: Vec<Inner>,
        #[serde(skip)]
        own: String,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        #[serde(rename = "match")]
        pattern: Option<Spanned<Vec<String>>>,
        ratio: f64,
        yes: bool,
    }

    #[test]
    fn every_field_is_found_at_any_depth() {
        let tables = ["inner", "many", "named.NAME"];
        let mut expected: Vec<String> = ["plain", "number", "inner", "named", "many"].map(str::to_owned).to_vec();
        let fields = |table: &&str| ["match", "ratio", "yes"].map(|field| format!("{table}.{field}"));
        expected.extend(tables.iter().flat_map(fields));
        expected.sort();
        assert_eq!(keys_of::<Outer>(), expected);
    }

    #[test]
    fn a_configuration_has_keys_in_nested_tables() {
        let keys = keys();
        for key in ["spool", "queue.retry.first", "transport.NAME.command", "hook.inbound.command", "rewrite.sender"] {
            assert!(keys.iter().any(|known| known == key), "{key} is not in {keys:?}");
        }
    }
}
