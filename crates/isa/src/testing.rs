//! What the decoders' tests share: tables of encodings with the answers expected of them.

use proptest::test_runner::Config;

use crate::{Completion, Effects, Isa, TranslationEffect};

/// The answer a table expects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Always,
    OneAccess,
    LoadThenStore,
    NoAccess,
    /// One access where QEMU has accesses of 128 bits, unknown elsewhere.
    Wide,
    /// Unknown completion, no translation changes.
    Unknown,
    /// Unknown completion; changes the privilege of accesses, which an old QEMU's MMU index does
    /// not tell.
    Privilege,
    /// Unknown completion, translations of this vCPU may change.
    ThisVcpu,
    /// Unknown completion, translations of every vCPU may change.
    AllVcpus,
}

/// Before or since the versions that allow more promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vintage {
    Old,
    New,
}

impl Expected {
    fn effects(self, qemu: Vintage) -> Effects {
        let unknown = |effect| Effects::new(Completion::Unknown, effect);
        match self {
            Self::Always => Effects::plain(Completion::Always),
            Self::OneAccess => Effects::plain(Completion::OneAccess),
            Self::LoadThenStore => Effects::plain(Completion::LoadThenStore),
            Self::NoAccess => Effects::plain(Completion::NoAccess),
            Self::Wide if qemu == Vintage::New => Effects::plain(Completion::OneAccess),
            Self::Privilege if qemu == Vintage::Old => unknown(TranslationEffect::ThisVcpu),
            Self::Wide | Self::Privilege | Self::Unknown => unknown(TranslationEffect::None),
            Self::ThisVcpu => unknown(TranslationEffect::ThisVcpu),
            Self::AllVcpus => unknown(TranslationEffect::AllVcpus),
        }
    }
}

/// The bytes that `hex` spells.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// Compares `isa` with a table of encoding, text and answer, on an old QEMU and a new one.
#[track_caller]
pub(crate) fn check(isa: Isa, cases: &[(&str, &str, Expected)]) {
    for (api, vintage) in [(1, Vintage::Old), (4, Vintage::New)] {
        for (hex, text, expected) in cases {
            assert_eq!(
                isa.with_plugin_api(api).effects(&bytes(hex)),
                expected.effects(vintage),
                "{hex} {text}, plugin API {api}"
            );
        }
    }
}

/// Fewer cases under Miri, which is slow, and no files, which it forbids.
pub(crate) fn config() -> Config {
    Config {
        cases: if cfg!(miri) { 8 } else { 4096 },
        failure_persistence: None,
        ..Config::default()
    }
}
