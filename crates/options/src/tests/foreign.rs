//! Files of options that may be anything. `make soak` runs this for longer.

use super::files::parse_beside;
use super::properties::check_accepted;
use super::properties::{breaks_line, cases};
use super::*;
use proptest::sample::Index;

/// Files as people write them, and one with all that TOML has.
const FILES: [&str; 3] = [
    include_str!("corpus/plain.toml"),
    include_str!("corpus/preset.toml"),
    include_str!("corpus/strange.toml"),
];

/// What TOML gives a meaning to, and what is at the limits of a number or a line.
const PIECES: [&str; 44] = [
    "=",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    ".",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\\",
    "\\u",
    "\\U0010FFFF",
    "\\x00",
    "\u{feff}",
    "\u{0}",
    "\u{7f}",
    "\u{2028}",
    "\u{202e}",
    "é",
    "0x",
    "0b",
    "0o",
    "_",
    "+",
    "-",
    "9223372036854775808",
    "-9223372036854775808",
    "340282366920938463463374607431768211456",
    "1e999",
    "inf",
    "nan",
    "1979-05-27T07:32:00.999999-07:00",
    "true",
    "config = 'a.toml'\n",
    "elf = []\n",
];

/// What is done to a file.
#[derive(Clone, Debug)]
enum Damage {
    Piece(Index, &'static str),
    Repeat(Index, &'static str, usize),
    Byte(Index, u8),
    Cut(Index, usize),
    Copy(Index, Index, usize),
    Other(Index, Index),
    End(Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let piece = || prop::sample::select(PIECES.to_vec());
    prop_oneof![
        6 => (at(), piece()).prop_map(|(at, piece)| Damage::Piece(at, piece)),
        1 => (at(), piece(), 2..4000_usize)
            .prop_map(|(at, piece, times)| Damage::Repeat(at, piece, times)),
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        3 => (at(), 1..20_usize).prop_map(|(at, bytes)| Damage::Cut(at, bytes)),
        3 => (at(), at(), 1..60_usize).prop_map(|(from, to, bytes)| Damage::Copy(from, to, bytes)),
        1 => (at(), at()).prop_map(|(file, at)| Damage::Other(file, at)),
        1 => at().prop_map(Damage::End),
    ]
}

impl Damage {
    fn apply(self, text: &mut Vec<u8>) {
        let length = text.len();
        let place = |at: Index| at.index(length + 1);
        match self {
            Self::Piece(at, piece) => insert(text, place(at), piece.as_bytes()),
            Self::Repeat(at, piece, times) => {
                insert(text, place(at), piece.repeat(times).as_bytes());
            }
            Self::Byte(at, byte) => insert(text, place(at), &[byte]),
            Self::Cut(at, bytes) => {
                let start = place(at);
                text.drain(start..text.len().min(start + bytes));
            }
            Self::Copy(from, to, bytes) => {
                let (start, to) = (place(from), place(to));
                let copy = text[start..text.len().min(start + bytes)].to_vec();
                insert(text, to, &copy);
            }
            Self::Other(file, at) => insert(text, place(at), file.get(&FILES).as_bytes()),
            Self::End(at) => text.truncate(place(at)),
        }
    }
}

fn insert(text: &mut Vec<u8>, place: usize, new: &[u8]) {
    text.splice(place..place, new.iter().copied());
}

/// Checks what is true of any file's answer.
fn check(file: &str) -> Result<(), TestCaseError> {
    match parse_beside(file, &["config=a.toml".to_owned()], USER) {
        Ok(Request::Run(options)) => check_accepted(&[], &options)?,
        Ok(request) => prop_assert!(false, "{request:?}"),
        Err(error) => {
            let text = error.to_string();
            // What is quoted is short, but each of its characters may be written as `\u{2028}`.
            prop_assert!(text.chars().count() < 1000, "{text}");
            prop_assert!(!text.chars().any(breaks_line), "{text:?}");
            let is_named =
                ["a.toml", "(default)", "(cpu="].into_iter().any(|place| text.contains(place));
            prop_assert!(is_named, "{text}");
        }
    }
    Ok(())
}

#[test]
fn the_files_are_accepted_or_refused_for_what_they_have() {
    let message = |file| match parse_beside(file, &["config=a.toml".to_owned()], USER) {
        Ok(request) => format!("{request:?}"),
        Err(error) => error.to_string(),
    };
    assert!(message(FILES[0]).starts_with("Run("), "{}", message(FILES[0]));
    assert_eq!(
        message(FILES[2]),
        "l1lat=4.5 (a.toml, line 7): write a string, a whole number, true or false"
    );
}

#[test]
fn what_is_nested_without_end_is_refused() {
    let times = 200_000;
    for (opening, closing) in [("[", "]"), ("{a=", "}"), ("[{a=", "}]")] {
        for end in ["", closing] {
            check(&format!("limit = {}1{}", opening.repeat(times), end.repeat(times))).unwrap();
        }
    }
    check(&format!("{} = 1", ["a"].repeat(times).join("."))).unwrap();
    check(&format!("[{}]", ["a"].repeat(times).join("."))).unwrap();
    check(&"[".repeat(times)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_damaged_file_is_accepted_or_explained_in_one_line(
        file in prop::sample::select(FILES.to_vec()),
        damages in prop::collection::vec(any_damage(), 1..9),
    ) {
        let mut text = file.as_bytes().to_vec();
        for damage in damages {
            damage.apply(&mut text);
        }
        check(&String::from_utf8_lossy(&text))?;
    }
}
