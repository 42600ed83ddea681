//! Guests without a decoder.

use crate::{Decoder, Effects, Emulator};

/// Promises nothing, which is right for any guest.
#[derive(Debug)]
struct Undecoded;

/// No decoder: of no instruction anything is promised.
pub fn undecoded(_: Emulator) -> Box<dyn Decoder> {
    Box::new(Undecoded)
}

impl Decoder for Undecoded {
    fn begin(&mut self, _: &mut dyn Iterator<Item = (u64, &[u8])>) {}

    fn effects(&mut self, _: &[u8]) -> Effects {
        Effects::UNKNOWN
    }

    fn tells_translation_changes(&self) -> bool {
        false
    }
}
