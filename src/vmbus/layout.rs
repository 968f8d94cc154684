//! Fixed layouts: a structure's fields in their order, written down once for reading and for writing.

use crate::wire::read::{self, Parsed};
use crate::wire::{Endianness, Guid};

/// A field of a fixed size, little-endian.
pub(super) trait Field: Sized {
    fn read<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, Self>;
    fn put(&self, out: &mut Vec<u8>);
}

impl Field for u8 {
    fn read<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, Self> {
        read::u8(name)(input)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
}

impl Field for Guid {
    fn read<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, Self> {
        read::guid(name, Endianness::Little)(input)
    }

    fn put(&self, out: &mut Vec<u8>) {
        read::put_guid(out, *self, Endianness::Little);
    }
}

impl<const N: usize> Field for [u8; N] {
    fn read<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, Self> {
        read::array(name)(input)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

macro_rules! integer {
    ($($type:ident)*) => {
        $(impl Field for $type {
            fn read<'a>(name: &'static str, input: &'a [u8]) -> Parsed<'a, Self> {
                read::$type(name, Endianness::Little)(input)
            }

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        })*
    };
}

integer!(u16 u32 u64);

/// A structure, each field with its type, in the order of the wire.
macro_rules! layout {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            pub(in crate::vmbus) fn read(input: &[u8]) -> crate::wire::read::Parsed<'_, Self> {
                $(let (input, $field) =
                    <$type as crate::vmbus::layout::Field>::read(stringify!($field), input)?;)*
                Ok((input, Self { $($field),* }))
            }

            pub(in crate::vmbus) fn put(&self, out: &mut Vec<u8>) {
                $(crate::vmbus::layout::Field::put(&self.$field, out);)*
            }
        }
    };
}

/// A number of which some values have names; any value survives.
macro_rules! open {
    (
        $(#[$doc:meta])*
        $name:ident($inner:ident), $other:literal { $($constant:ident = $value:literal $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        #[allow(missing_docs)] // the names are the specification's
        impl $name {
            $(pub const $constant: Self = Self($value);)*
        }

        impl $name {
            /// The specification's name.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        #[doc = concat!("The name and the number; `", $other, "` and the number where there is no name.")]
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", self.name().unwrap_or($other), self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl crate::vmbus::layout::Field for $name {
            fn read<'a>(name: &'static str, input: &'a [u8]) -> crate::wire::read::Parsed<'a, Self> {
                let (input, value) = crate::vmbus::layout::Field::read(name, input)?;
                Ok((input, Self(value)))
            }

            fn put(&self, out: &mut Vec<u8>) {
                crate::vmbus::layout::Field::put(&self.0, out);
            }
        }
    };
}
