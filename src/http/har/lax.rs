use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::source::Place;
use super::{MAX_ENTRY, Pair, PostData, Request, Response, ResponseContent};

/// What was not as it should be, and what is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Values of another type than their field should have; such a field is absent.
    pub mismatched: u64,
    /// The field of the first of them.
    pub first_mismatched: Option<&'static str>,
    /// Members of lists beyond [`MAX_HEADERS`](crate::http::MAX_HEADERS).
    pub left_out: u64,
    /// Bytes of strings that are not kept, beyond [`MAX_STRING`](super::MAX_STRING) each and
    /// [`MAX_ENTRY`](super::MAX_ENTRY) together.
    pub dropped: u64,
}

/// Oddities, and how much may still be kept.
#[derive(Debug)]
pub(super) struct Notes<'p> {
    pub(super) oddities: Oddities,
    /// Bytes of text that may still be kept.
    room: usize,
    pub(super) place: &'p Place,
}

impl<'p> Notes<'p> {
    pub(super) fn new(place: &'p Place) -> Self {
        Self { oddities: Oddities::default(), room: MAX_ENTRY, place }
    }

    /// A value of this field is of another type.
    pub(super) fn mismatch(&mut self, field: &'static str) {
        self.oddities.mismatched += 1;
        self.oddities.first_mismatched.get_or_insert(field);
    }
}

/// What a JSON value is read into. Values of types that it does not take make it absent.
pub(super) trait Target {
    /// Takes a string; false where it takes none.
    fn text(&mut self, _: &str, _: &mut Notes<'_>) -> bool {
        false
    }

    /// Takes a number; false where it takes none, or not this one.
    fn number(&mut self, _: &Number) -> bool {
        false
    }

    /// Takes an object; false where it takes none.
    fn object<'de, A: MapAccess<'de>>(&mut self, map: &mut A, _: &mut Notes<'_>) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    /// Takes an array; false where it takes none.
    fn list<'de, A: SeqAccess<'de>>(&mut self, list: &mut A, _: &mut Notes<'_>) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

/// Reads a value into its target, whatever its type; null is an absent value.
pub(super) struct Lax<'a, 'p, T> {
    pub(super) field: &'static str,
    pub(super) target: &'a mut T,
    pub(super) notes: &'a mut Notes<'p>,
}

impl<T> Lax<'_, '_, T> {
    fn note(self, is_taken: bool) {
        if !is_taken {
            self.notes.mismatch(self.field);
        }
    }
}

impl<T: Target> Lax<'_, '_, T> {
    fn number(self, number: Option<Number>) {
        let is_taken = number.is_some_and(|number| self.target.number(&number));
        self.note(is_taken);
    }
}

impl<'de, T: Target> DeserializeSeed<'de> for Lax<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Target> Visitor<'de> for Lax<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.note(false);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(Some(number.into()));
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(Some(number.into()));
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.number(Number::from_f64(number));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let is_taken = self.target.text(text, self.notes);
        self.note(is_taken);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let is_taken = self.target.object(&mut map, self.notes)?;
        self.note(is_taken);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let is_taken = self.target.list(&mut list, self.notes)?;
        self.note(is_taken);
        Ok(())
    }
}

/// Reads an object's fields into their targets; others are passed over.
macro_rules! fields {
    ($map:ident, $notes:ident, $($field:literal => $target:expr),+ $(,)?) => {
        while let Some(field) = $map.next_key::<String>()? {
            match field.as_str() {
                $($field => {
                    $map.next_value_seed($crate::http::har::lax::Lax { field: $field, target: $target, notes: $notes })?;
                })+
                _ => {
                    $map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
    };
}
pub(super) use fields;

impl Target for Option<String> {
    fn text(&mut self, text: &str, notes: &mut Notes<'_>) -> bool {
        notes.oddities.dropped += notes.place.dropped.get();
        if text.len() > notes.room {
            notes.oddities.dropped += text.len() as u64;
        } else {
            notes.room -= text.len();
            *self = Some(text.to_owned());
        }
        true
    }
}

impl Target for Option<f64> {
    fn number(&mut self, number: &Number) -> bool {
        *self = number.as_f64();
        true
    }
}

impl Target for Option<i64> {
    fn number(&mut self, number: &Number) -> bool {
        *self = number.as_i64();
        self.is_some()
    }
}

impl Target for Option<u16> {
    fn number(&mut self, number: &Number) -> bool {
        *self = number.as_u64().and_then(|number| number.try_into().ok());
        self.is_some()
    }
}

/// Makes an object that may be absent a target: it is there once it is seen to be an object.
macro_rules! optional_objects {
    ($($object:ty),+) => {
        $(impl Target for Option<$object> {
            fn object<'de, A: MapAccess<'de>>(
                &mut self,
                map: &mut A,
                notes: &mut Notes<'_>,
            ) -> Result<bool, A::Error> {
                self.get_or_insert_default().object(map, notes)
            }
        })+
    };
}

optional_objects!(Request, Response, PostData, ResponseContent, Pair);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_entry_is_bounded_as_a_whole() {
        let place = Place::default();
        let mut notes = Notes { room: 5, ..Notes::new(&place) };
        let texts = ["abc", "def", "gh"].map(|text| {
            let mut target = None;
            assert!(target.text(text, &mut notes));
            target
        });
        assert_eq!(texts, [Some("abc".to_owned()), None, Some("gh".to_owned())]);
        assert_eq!((notes.oddities.dropped, notes.room), (3, 0));
    }
}
