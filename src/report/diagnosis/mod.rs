//! What [`crate::diagnosis`] tells of activations, rendered.

mod html;

pub use html::html;
