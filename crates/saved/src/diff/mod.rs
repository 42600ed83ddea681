//! `libcache diff`: two runs beside each other.

pub mod compare;
pub mod format;
pub mod html;
pub mod json;
pub mod markdown;
pub mod matching;
#[cfg(test)]
mod tests;
pub mod text;

pub use self::compare::{Comparison, List, Question};
