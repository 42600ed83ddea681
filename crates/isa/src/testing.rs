//! What the decoders' tests share: tables of encodings with the answers expected of them.

use proptest::test_runner::Config;

use crate::{Completion, Decoder, Effects, Emulator, Guest, TranslationEffect};

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

/// A program in a recent QEMU.
pub(crate) const PROGRAM: Emulator = Emulator { guest: Guest::Program, plugin_api: 4 };
/// A machine in a recent QEMU.
pub(crate) const MACHINE: Emulator = Emulator { guest: Guest::Machine, plugin_api: 4 };
/// All kinds of QEMU that decoders tell apart.
pub(crate) const EMULATORS: [Emulator; 4] = [
    PROGRAM,
    MACHINE,
    Emulator { plugin_api: 1, ..PROGRAM },
    Emulator { plugin_api: 1, ..MACHINE },
];

/// What one instruction can do, seen alone: with nothing settled by its block.
pub(crate) fn alone(decoder: &mut dyn Decoder, code: &[u8]) -> Effects {
    decoder.begin(&mut [].into_iter());
    decoder.effects(code)
}

/// The bytes that `hex` spells.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// Compares a decoder of machines with a table of encoding, text and answer, for an old QEMU and a new one.
#[track_caller]
pub(crate) fn check<D: AsMut<dyn Decoder>>(
    make: impl Fn(Emulator) -> D,
    cases: &[(&str, &str, Expected)],
) {
    for (api, vintage) in [(1, Vintage::Old), (4, Vintage::New)] {
        let mut decoder = make(Emulator { plugin_api: api, ..MACHINE });
        for (hex, text, expected) in cases {
            assert_eq!(
                alone(decoder.as_mut(), &bytes(hex)),
                expected.effects(vintage),
                "{hex} {text}, plugin API {api}"
            );
        }
    }
}

/// Fewer cases under Miri, which is slow, and no files, which it forbids.
pub(crate) fn config() -> Config {
    Config { cases: 4096, failure_persistence: None, ..Config::default() }
}
