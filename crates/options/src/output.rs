//! Where the report goes.

use super::Problem;
use std::fmt::{self, Display};
use std::path::PathBuf;

/// The destination of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// QEMU's log if it logs what plugins say (`-d plugin`), else the standard error stream.
    Auto,
    /// QEMU's log, as the reference does: nowhere without `-d plugin`.
    Log,
    /// The standard error stream.
    Stderr,
    /// A file.
    File(PathTemplate),
}

/// The path of a file in which `%p` stands for the process id, so that a forked guest child does
/// not overwrite its parent's file, and `%%` for a percent sign. No other `%` is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(String);

impl PathTemplate {
    /// The template with this text.
    ///
    /// # Errors
    /// [`Problem::UnknownPlaceholder`] if a `%` is followed by anything but `p` or `%`.
    pub fn new(text: &str) -> Result<Self, Problem> {
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            if character == '%' && !matches!(rest.next(), Some('p' | '%')) {
                return Err(Problem::UnknownPlaceholder);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The same with `word` before the last dot of the file's name, or after a name without one.
    #[must_use]
    pub fn with(&self, word: &str) -> Self {
        let word = word.replace('%', "%%");
        let name = self.0.rfind('/').map_or(0, |slash| slash + 1);
        // The first dot of a name such as `.csv` does not end anything.
        let dot = self.0[name..].rfind('.').filter(|&dot| dot > 0);
        let (before, after) = self.0.split_at(dot.map_or(self.0.len(), |dot| name + dot));
        Self(format!("{before}.{word}{after}"))
    }

    /// The path for the process `pid`.
    pub fn resolve(&self, pid: u32) -> PathBuf {
        let pid = pid.to_string();
        // Between two `%%` there is no `%` but that of a `%p`.
        let parts: Vec<String> = self.0.split("%%").map(|part| part.replace("%p", &pid)).collect();
        PathBuf::from(parts.join("%"))
    }
}

/// The text that [`PathTemplate::new`] takes.
impl Display for PathTemplate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn resolved(text: &str) -> PathBuf {
        PathTemplate::new(text).unwrap().resolve(42)
    }

    #[test]
    fn the_process_id_and_the_percent_sign_are_filled_in() {
        assert_eq!(resolved("out-%p.txt"), Path::new("out-42.txt"));
        assert_eq!(resolved("%p/%p"), Path::new("42/42"));
        assert_eq!(resolved("100%%"), Path::new("100%"));
        assert_eq!(resolved("%%p%%%p"), Path::new("%p%42"));
        assert_eq!(resolved("ä/log"), Path::new("ä/log"));
    }

    #[test]
    fn a_word_goes_before_the_extension() {
        for (text, expected) in [
            ("a.csv", "a.zen3.csv"),
            ("a", "a.zen3"),
            ("b.d/a", "b.d/a.zen3"),
            (".csv", ".csv.zen3"),
            ("callgrind.out.%p", "callgrind.out.zen3.%p"),
        ] {
            assert_eq!(PathTemplate::new(text).unwrap().with("zen3").to_string(), expected);
        }
        let hostile = PathTemplate::new("a").unwrap().with("%d");
        assert_eq!(hostile.resolve(42), Path::new("a.%d"));
    }

    #[test]
    fn any_other_placeholder_is_rejected() {
        for text in ["%", "a%", "%d", "%%%", "%P", "%ä"] {
            assert_eq!(PathTemplate::new(text), Err(Problem::UnknownPlaceholder), "{text}");
        }
    }
}
