//! The formats that a profile is written in, and what each takes.

use std::io::{self, Write};

use options::Format;

use crate::html::Source;
use crate::{FullProfile, Profile, cachegrind, callgrind, csv, html, json};

/// Gives a source file by its path, or `None` where it cannot be read.
pub type ReadSource<'a> = &'a dyn Fn(&str) -> Option<Source>;

/// What writes a format.
#[derive(Debug, Clone, Copy)]
pub enum Renderer {
    /// It takes any profile.
    Any(fn(&Profile, &mut dyn Write) -> io::Result<()>),
    /// It has no way to say "not counted". Its format's [`Detail`](crate::Detail) is `Full`.
    Full(fn(FullProfile<'_>, &mut dyn Write) -> io::Result<()>),
    /// It takes any profile, and shows source files.
    WithSource(fn(&Profile, ReadSource<'_>, &mut dyn Write) -> io::Result<()>),
}

impl Renderer {
    /// That of `format`.
    pub fn of(format: Format) -> Self {
        match format {
            Format::Json => Self::Any(json::write),
            Format::Csv => Self::Any(csv::write),
            Format::Callgrind => Self::Full(callgrind::write),
            Format::Cachegrind => Self::Full(cachegrind::write),
            Format::Html => Self::WithSource(html::write),
        }
    }

    /// Whether it asks for source files.
    pub fn shows_source(self) -> bool {
        matches!(self, Self::WithSource(_))
    }

    /// Writes `profile` to `out`, in many small pieces.
    ///
    /// # Errors
    /// Those of `out`, and where a format needs counts that the profile does not have.
    pub fn write(
        self,
        profile: &Profile,
        source: ReadSource<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Any(write) => write(profile, out),
            Self::Full(write) => match FullProfile::new(profile) {
                Some(full) => write(full, out),
                None => Err(io::Error::other("not every count is known")),
            },
            Self::WithSource(write) => write(profile, source, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use options::{GuestMode, Host, Request, help_text, parse};

    use super::*;
    use crate::{Detail, sample};

    fn write(format: Format, profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
        Renderer::of(format).write(profile, &|_| None, out)
    }

    #[test]
    fn every_format_has_an_option_with_help() {
        for format in Format::ALL {
            let name = format.name();
            assert!(help_text().contains(&format!("\n  {name}=FILE ")), "{name}");
            let host = Host { mode: GuestMode::User, vcpus: 1 };
            let no_files = |_: &str| Err("no files here".to_owned());
            match parse(&[format!("{name}=f")], &host, &no_files) {
                Ok(Request::Run(options)) => {
                    assert_eq!(
                        options.files.iter().map(|file| file.0).collect::<Vec<_>>(),
                        [format]
                    );
                    assert_eq!(options.detail, format.detail());
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_format_that_needs_every_count_has_them_counted() {
        for format in Format::ALL {
            if let Renderer::Full(_) = Renderer::of(format) {
                assert_eq!(format.detail(), Detail::Full, "{}", format.name());
                write(format, &sample::misses(), &mut io::sink()).unwrap_err();
            } else {
                write(format, &sample::misses(), &mut io::sink()).unwrap();
            }
        }
    }

    #[test]
    fn a_file_has_all_machines_or_the_runs_own() {
        let profile = sample::compared();
        let mut own = profile.clone();
        own.run.options.compared.clear();
        own.compared.clear();
        let text = |format, profile| sample::written(|out| write(format, profile, out));
        for format in Format::ALL {
            let has_all = format.has_all_machines();
            assert_eq!(text(format, &profile) != text(format, &own), has_all, "{}", format.name());
        }
    }

    /// A place that has room for some bytes only.
    struct Small {
        left: usize,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_error_of_the_place_is_told_as_it_is() {
        let profile = sample::compared();
        for format in Format::ALL {
            let mut whole = Vec::new();
            write(format, &profile, &mut whole).unwrap();
            for left in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
                let error = write(format, &profile, &mut Small { left }).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{} {left}", format.name());
            }
            write(format, &profile, &mut Small { left: whole.len() }).unwrap();
        }
    }

    /// Counts what is written, and the bytes of the largest piece.
    #[derive(Default)]
    struct Pieces {
        bytes: usize,
        largest: usize,
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.bytes += bytes.len();
            self.largest = self.largest.max(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_large_file_is_never_whole_in_memory() {
        let mut profile = sample::profile();
        let again = profile.instructions.clone();
        profile.instructions = iter::repeat_n(again, 20_000).flatten().collect();
        let other = profile.clone();
        let profile = sample::comparing(profile, vec![("other", other)]);
        for format in Format::ALL {
            let mut pieces = Pieces::default();
            write(format, &profile, &mut pieces).unwrap();
            let Pieces { bytes, largest } = pieces;
            assert!(largest <= 32 << 10, "{}: {largest} of {bytes}", format.name());
        }
    }
}
