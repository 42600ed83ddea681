//! Names as people write them, each kept once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};
use std::sync::Arc;

use source::{Frame, Location};

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
            .or_insert_with(|| (!symbol.is_empty()).then(|| cut(&demangle(symbol)).into()))
            .clone()
    }

    /// A source file's path. An empty one is none.
    pub(crate) fn file(&mut self, path: &str) -> Option<Arc<str>> {
        if path.is_empty() {
            return None;
        }
        let path = normalized(cut(path));
        if let Some(known) = self.files.get(&*path) {
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

/// A path without `.` and `..`, as text: `/a/../w/x.c` is `/w/x.c`, so that a source file has one name. Where a
/// directory is a symbolic link, `..` might lead elsewhere.
pub(crate) fn normalized(path: &str) -> Cow<'_, str> {
    let (root, rest) = path.strip_prefix('/').map_or(("", path), |rest| ("/", rest));
    if !rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(&last)) if last != ".." => _ = parts.pop(),
            // Above the root is the root.
            ("..", None) if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { path.into() } else { format!("{root}{}", parts.join("/")).into() }
}

/// The name that a compiler of Rust (legacy or v0) or C++ made `symbol` from, without Rust's hash;
/// `symbol` itself where none did. A version (`@`, as the GNU linker writes it) stays.
pub fn demangle(symbol: &[u8]) -> String {
    let symbol = String::from_utf8_lossy(symbol);
    let (mangled, version) = symbol.split_at(symbol.find('@').unwrap_or(symbol.len()));
    let name = if let Ok(name) = rustc_demangle::try_demangle(mangled) {
        bounded(|text| write!(text, "{name:#}"))
    } else if mangled.starts_with("_Z") {
        cpp_name(mangled).or_else(|| Some(cpp_scope(&cpp_name(&without_scopes(mangled))?)))
    } else {
        None
    };
    match name {
        Some(name) if !name.is_empty() => name + version,
        _ => symbol.into_owned(),
    }
}

/// How deep the parts of a C++ name may be nested. What the demangler tries on a name without an end doubles
/// with every few levels: 30 ms at this depth, and hours at twice as deep. Of 339,680 names of Debian's
/// libraries 42 are deeper; they stay as they are.
const MAX_CPP_DEPTH: u32 = 96;

/// The C++ name that is mangled as the ABI says.
fn cpp_name(mangled: &str) -> Option<String> {
    let options = cpp_demangle::ParseOptions::default().recursion_limit(MAX_CPP_DEPTH);
    let name = cpp_demangle::Symbol::new_with_options(mangled, &options).ok()?;
    let options = cpp_demangle::DemangleOptions::default().recursion_limit(MAX_CPP_DEPTH);
    let name = bounded(|text| name.structured_demangle(text, &options))?;
    // What an empty pack of template arguments leaves.
    Some(name.replace(", >", ">"))
}

/// GCC before version 13 writes `sr TYPE NAME` for the member of any class, but the ABI (5.1.6.2,
/// `unresolved-name`) and the demangler have that for template parameters and what repeats only. `dt at TYPE
/// NAME` takes as many types and names in the same order: `(alignof (TYPE)).NAME`.
fn without_scopes(mangled: &str) -> String {
    let mut parts = mangled.split("sr");
    let mut rewritten = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_type = part.starts_with(|first: char| matches!(first, 'S' | 'N' | '0'..='9'));
        rewritten += if is_type { "dtat" } else { "sr" };
        rewritten += part;
    }
    rewritten
}

/// `TYPE::NAME` for what [`without_scopes`] has made of it.
fn cpp_scope(name: &str) -> String {
    const OPENING: &str = "(alignof (";
    const CLOSING: &str = ")).";
    let mut text = String::new();
    let mut rest = name;
    // How deep in parentheses, and where the types began.
    let (mut depth, mut types) = (0_usize, Vec::new());
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(OPENING) {
            types.push(depth);
            rest = after;
        } else if types.last() == Some(&depth)
            && let Some(after) = rest.strip_prefix(CLOSING)
        {
            types.pop();
            text += "::";
            rest = after;
        } else {
            match first {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    // One that is no scope.
    if types.is_empty() { text } else { name.to_owned() }
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
    use proptest::prelude::*;
    use proptest::sample::Index;

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
            ("_ZN4list4pushI4nodeIiJEEEEvv", "void list::push<node<int> >()"),
            (
                "_ZSt4swapIiENSt9enable_ifIXsrSt6__and_IJSt6__not_ISt15__is_tuple_likeIT_EESt21is_move_\
                 constructibleIS4_ESt18is_move_assignableIS4_EEE5valueEvE4typeERS4_SE_",
                "std::enable_if<std::__and_<std::__not_<std::__is_tuple_like<int> >, \
                 std::is_move_constructible<int>, std::is_move_assignable<int> >::value, void>::type \
                 std::swap<int>(int&, int&)",
            ),
        ] {
            assert_eq!(demangle(symbol.as_bytes()), name);
        }
        assert_eq!(demangle(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn what_gcc_12_makes_of_a_member_of_a_class_template_is_read() {
        assert_eq!(
            demangle(
                b"_ZSt9__fill_a1IP4NodeS0_EN9__gnu_cxx11__enable_ifIXntsrSt11__is_scalarIT0_E7__\
                  valueEvE6__typeET_S9_RKS5_"
            ),
            "__gnu_cxx::__enable_if<!(std::__is_scalar<Node>::__value), void>::__type \
             std::__fill_a1<Node*, Node>(Node*, Node*, Node const&)"
        );
        // In one another, of a type that is a repetition, and beside an identifier that has an `sr`.
        assert_eq!(
            demangle(b"_ZN2wi3usrI4wideEEN4pairIXsrNS_3intIT_EE3oneEXsrS5_3twoEE4typeERKS4_"),
            "pair<wi::int<wide>::one, wi::int<wide>::two>::type wi::usr<wide>(wide const&)"
        );
        assert_eq!(
            cpp_scope("a((alignof (b(c))).d, (alignof (e)))"),
            "a((alignof (b(c))).d, (alignof (e)))"
        );
    }

    #[test]
    fn a_name_that_is_nested_deeply_is_read_up_to_a_bound() {
        let mangled = |depth| format!("_Z1f{}i{}", "1aI".repeat(depth), "E".repeat(depth));
        let name = format!("f({}int{})", "a<".repeat(12), " >".repeat(12).replacen(' ', "", 1));
        assert_eq!(demangle(mangled(12).as_bytes()), name);
        for unbounded in [mangled(100), format!("_Z1f{}i", "P".repeat(16_000))] {
            assert_eq!(demangle(unbounded.as_bytes()), unbounded);
        }
    }

    /// The demangler tried for hours.
    #[test]
    fn a_template_name_without_an_end_is_given_up_at_once() {
        for parts in 1..100 {
            let mangled = format!("_ZNSt16allocator_traits{}", "ISaISt4pts".repeat(parts));
            assert_eq!(demangle(mangled.as_bytes()), mangled);
        }
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
    fn a_source_file_has_one_path() {
        for (path, expected) in [
            ("/a/../w/x.c", "/w/x.c"),
            ("/build/./src//x.c", "/build/src/x.c"),
            ("/../x.c", "/x.c"),
            ("./malloc/../sysdeps/x.c", "sysdeps/x.c"),
            ("../../x/../y.c", "../../y.c"),
            ("/src/x.c", "/src/x.c"),
            ("x..c/.h", "x..c/.h"),
        ] {
            assert_eq!(normalized(path), expected);
            assert_eq!(Names::default().file(path).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_name_whose_bytes_are_no_text_is_cut_too() {
        // Each is shown as a character of three bytes.
        let long = Names::default().function(&[0x80; MAX_NAME_BYTES]).unwrap();
        assert!((MAX_NAME_BYTES - 2..=MAX_NAME_BYTES).contains(&long.len()), "{}", long.len());
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

    /// From the symbol tables of programs in C++, of several compilers, and in Rust.
    const SYMBOLS: &str = include_str!("../tests/corpus/names.txt");

    /// What is done to a symbol.
    #[derive(Debug, Clone)]
    enum Damage {
        Byte(Index, u8),
        Cut(Index, usize),
        Repeat(Index, usize, usize),
        Other(Index, Index, Index),
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let at = any::<Index>;
        let meaning = b"_ZRNSTLKPEIXJDFGdscvtnui0123456789$@.";
        let byte = prop_oneof![8 => prop::sample::select(meaning.to_vec()), 1 => any::<u8>()];
        prop_oneof![
            4 => (at(), byte).prop_map(|(at, byte)| Damage::Byte(at, byte)),
            2 => (at(), 1..9_usize).prop_map(|(at, bytes)| Damage::Cut(at, bytes)),
            2 => (at(), 1..12_usize, 2..2000_usize)
                .prop_map(|(at, bytes, times)| Damage::Repeat(at, bytes, times)),
            2 => (at(), at(), at()).prop_map(|(line, from, to)| Damage::Other(line, from, to)),
        ]
    }

    impl Damage {
        fn apply(&self, symbol: &mut Vec<u8>) {
            let place = |at: &Index| at.index(symbol.len() + 1);
            match self {
                Self::Byte(at, byte) => {
                    let at = place(at);
                    let end = symbol.len().min(at + usize::from(byte % 2));
                    symbol.splice(at..end, [*byte]);
                }
                Self::Cut(at, bytes) => {
                    let start = place(at);
                    symbol.drain(start..symbol.len().min(start + bytes));
                }
                Self::Repeat(at, bytes, times) => {
                    let start = place(at);
                    let part = &symbol[start..symbol.len().min(start + bytes)];
                    let parts = part.repeat(*times);
                    symbol.splice(start..start, parts);
                }
                Self::Other(line, from, to) => {
                    let other = line.get(&SYMBOLS.lines().collect::<Vec<_>>()).as_bytes();
                    let to = place(to);
                    symbol.splice(to.., other[from.index(other.len())..].iter().copied());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_damaged_foreign_symbol_has_a_name_of_bounded_length(
            line in any::<Index>(),
            damages in prop::collection::vec(damage(), 1..9),
        ) {
            let mut symbol = line.get(&SYMBOLS.lines().collect::<Vec<_>>()).as_bytes().to_vec();
            for damage in &damages {
                damage.apply(&mut symbol);
            }
            // Half of what reports have, `STACK_BYTES`: a name may need more than a test has.
            let stack = std::thread::Builder::new().stack_size(8 << 20);
            let is_empty = symbol.is_empty();
            let name = stack.spawn(move || Names::default().function(&symbol));
            let name = name.unwrap().join().unwrap();
            prop_assert_eq!(name.is_none(), is_empty);
            prop_assert!(name.is_none_or(|name| (1..=MAX_NAME_BYTES).contains(&name.len())));
        }
    }
}
