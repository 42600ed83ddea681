//! Names as people write them, each kept once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};
use std::sync::Arc;

use report::{Frame, Location};

/// What is longer is cut: the names of C++ templates can grow without end, the reports cannot.
const MAX_NAME_BYTES: usize = 16 << 10;

/// Texts and locations that have been asked for; equal ones are shared.
#[derive(Default)]
pub(crate) struct Names<'files> {
    functions: HashMap<&'files [u8], Option<Arc<str>>>,
    files: HashSet<Arc<str>>,
    locations: HashSet<Arc<Location>>,
    last: Option<Arc<Location>>,
}

impl<'files> Names<'files> {
    /// A function's name from what the symbol table or DWARF calls it. An empty one is none.
    pub(crate) fn function(&mut self, symbol: &'files [u8]) -> Option<Arc<str>> {
        let symbol = &symbol[..symbol.len().min(MAX_NAME_BYTES)];
        self.functions
            .entry(symbol)
            .or_insert_with(|| (!symbol.is_empty()).then(|| demangle(symbol).into()))
            .clone()
    }

    /// A source file's path. An empty one is none.
    pub(crate) fn file(&mut self, path: &str) -> Option<Arc<str>> {
        if path.is_empty() {
            return None;
        }
        let path = cut(path);
        if let Some(known) = self.files.get(path) {
            return Some(Arc::clone(known));
        }
        let path: Arc<str> = path.into();
        self.files.insert(Arc::clone(&path));
        Some(path)
    }

    /// The one location that is equal to this.
    pub(crate) fn location(&mut self, object: &Arc<str>, frames: Vec<Frame>) -> Arc<Location> {
        // Neighbours are often of one line, and shared texts are quickly compared.
        if let Some(last) = &self.last
            && last.frames == frames
            && last.object.as_ref() == Some(object)
        {
            return Arc::clone(last);
        }
        let location = Location { object: Some(Arc::clone(object)), frames };
        let shared = if let Some(known) = self.locations.get(&location) {
            Arc::clone(known)
        } else {
            let new = Arc::new(location);
            self.locations.insert(Arc::clone(&new));
            new
        };
        self.last = Some(Arc::clone(&shared));
        shared
    }
}

/// The name that a compiler of Rust (legacy or v0) or C++ made `symbol` from, without Rust's hash;
/// `symbol` itself where none did. A version (`@`, as the GNU linker writes it) stays.
fn demangle(symbol: &[u8]) -> String {
    let symbol = String::from_utf8_lossy(symbol);
    let (mangled, version) = symbol.split_at(symbol.find('@').unwrap_or(symbol.len()));
    let name = if let Ok(name) = rustc_demangle::try_demangle(mangled) {
        bounded(|text| write!(text, "{name:#}"))
    } else if mangled.starts_with("_Z") {
        cpp_demangle::Symbol::new(mangled).ok().and_then(|name| {
            let options = cpp_demangle::DemangleOptions::default();
            bounded(|text| name.structured_demangle(text, &options))
        })
    } else {
        None
    };
    match name {
        Some(name) if !name.is_empty() => name + version,
        _ => symbol.into_owned(),
    }
}

/// What `write` writes, if it is not too long: a few bytes can stand for a name of gigabytes.
fn bounded(write: impl FnOnce(&mut Bounded) -> fmt::Result) -> Option<String> {
    let mut text = Bounded(String::new());
    write(&mut text).ok().map(|()| text.0)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_NAME_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_NAME_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Bytes from a file as text for messages and paths.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demangled_by_what_they_look_like() {
        for (symbol, name) in [
            ("main", "main"),
            ("_start", "_start"),
            ("_ZN5shape4Disc4areaEd", "shape::Disc::area(double)"),
            ("_Z3addii.constprop.0", "add(int, int) [clone .constprop.0]"),
            ("_ZNSt3foo3barEv@@LIB_3.4", "std::foo::bar()@@LIB_3.4"),
            ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
            ("_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function"),
            ("_Z", "_Z"),
            ("_Znot", "_Znot"),
            ("memcpy@@GLIBC_2.14", "memcpy@@GLIBC_2.14"),
        ] {
            assert_eq!(demangle(symbol.as_bytes()), name);
        }
        assert_eq!(demangle(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let (mut names, long) = (Names::default(), "x".repeat(1 << 20));
        assert_eq!(names.file(&long).unwrap().len(), MAX_NAME_BYTES);
        let long = long.into_bytes();
        let mut names = Names::default();
        assert_eq!(names.function(&long).unwrap().len(), MAX_NAME_BYTES);
        // Each S_ stands for all before it: doubled 40 times.
        let mut bomb = String::from("_Z1fI");
        bomb += "St4pairIiiE";
        for index in 0..40_u32 {
            let digit = char::from_digit(index % 36, 36).unwrap().to_ascii_uppercase();
            write!(bomb, "St4pairIS{digit}_S{digit}_E").unwrap();
        }
        bomb += "Evv";
        assert!(demangle(bomb.as_bytes()).len() <= MAX_NAME_BYTES);
    }

    #[test]
    fn equal_names_and_locations_are_shared() {
        let mut names = Names::default();
        let object: Arc<str> = "/bin/true".into();
        let mut location = |line| {
            let function = names.function(b"main");
            let frame = Frame { function, file: names.file("/src/true.c"), line: Some(line) };
            names.location(&object, vec![frame])
        };
        let (first, other, again) = (location(1), location(2), location(1));
        assert!(Arc::ptr_eq(&first, &again));
        assert_ne!(first, other);
        let function = |location: &Location| location.frames[0].function.clone().unwrap();
        assert!(Arc::ptr_eq(&function(&first), &function(&other)));
        assert_eq!(names.function(b""), None);
        assert_eq!(names.file(""), None);
    }
}
