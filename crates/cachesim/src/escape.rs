//! Text from outside, made fit for one line of a terminal.

use std::fmt::{self, Display, Write};

/// `text` with every character escaped that could end the line, steer a terminal or reorder what
/// is read. All else, other scripts and backslashes included, stays as it is.
pub fn escape(text: &str) -> impl Display {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_harmful(character) {
                write!(out, "{}", character.escape_default())?;
            } else {
                out.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and the marks of Unicode's bidirectional
/// algorithm (Unicode Standard Annex 9), which can make a line read as what it is not.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn plain_text_stays_as_it_is() {
        let text = r#"operator"" _x\d <Größe 尺寸> 'a'"#;
        assert_eq!(escape(text).to_string(), text);
    }

    #[test]
    fn what_ends_a_line_or_steers_a_terminal_is_escaped() {
        assert_eq!(
            escape("a\nb\r\0\t\u{1b}[2J\u{85}\u{2028}\u{202e}c").to_string(),
            r"a\nb\r\u{0}\t\u{1b}[2J\u{85}\u{2028}\u{202e}c"
        );
    }
}
