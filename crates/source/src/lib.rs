//! Where an instruction comes from: its ELF file, functions and lines, as plain data.
//!
//! Who finds locations (`symbols`) and who reports them (`report`) share these types and know nothing
//! of each other. Any text may be in them: it is the guest's.
#![forbid(unsafe_code)]

mod own;

use std::sync::Arc;

/// Where an instruction comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Location {
    /// The ELF file, where it is known.
    pub object: Option<Arc<str>>,
    /// The functions and lines, the innermost first: all but the last are inlined into the next one.
    /// Empty where nothing is known.
    pub frames: Vec<Frame>,
}

/// A function, and a line in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Frame {
    /// The function's name, demangled.
    pub function: Option<Arc<str>>,
    /// The source file's path as the compiler wrote it, made absolute where it said how.
    pub file: Option<Arc<str>>,
    /// The line in the file, from 1; `None` where it is not known.
    pub line: Option<u32>,
}

/// A function by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function {
    /// Its name, if known.
    pub name: Option<Arc<str>>,
    /// The function whose machine code it is part of, if it is inlined there.
    pub inlined_into: Option<Arc<str>>,
    /// The ELF file, if known.
    pub object: Option<Arc<str>>,
}

/// A line of the source, in one function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceLine {
    /// The source file, if known.
    pub file: Option<Arc<str>>,
    /// The line, from 1, if known.
    pub line: Option<u32>,
    /// The function it is in; a line may be in several (inlined, generic).
    pub function: Function,
}

/// Which of a location's functions its instructions count for, where functions are inlined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attribution {
    /// The innermost whose file is the user's own, not one of the toolchain, the system or a dependency. The
    /// outermost, if none is: of a library's code, the function that was called.
    #[default]
    Own,
    /// The one that is inlined into all others.
    Innermost,
    /// The one whose machine code it is part of.
    Outermost,
}

impl Location {
    /// The function and line that count.
    pub fn frame(&self, attribution: Attribution) -> Option<&Frame> {
        self.frames.get(self.index(attribution))
    }

    fn index(&self, attribution: Attribution) -> usize {
        let outermost = self.frames.len().saturating_sub(1);
        let is_own = |frame: &Frame| frame.file.as_deref().is_some_and(own::is_own);
        match attribution {
            Attribution::Own => self.frames.iter().position(is_own).unwrap_or(outermost),
            Attribution::Innermost => 0,
            Attribution::Outermost => outermost,
        }
    }

    /// The function that counts.
    pub fn function(&self, attribution: Attribution) -> Function {
        let name = |frame: &Frame| frame.function.clone();
        let index = self.index(attribution);
        let outside = self.frames.get(index + 1..).unwrap_or_default();
        Function {
            name: self.frames.get(index).and_then(name),
            inlined_into: outside.last().and_then(name),
            object: self.object.clone(),
        }
    }

    /// The line that counts.
    pub fn source_line(&self, attribution: Attribution) -> SourceLine {
        let frame = self.frame(attribution);
        SourceLine {
            file: frame.and_then(|frame| frame.file.clone()),
            line: frame.and_then(|frame| frame.line),
            function: self.function(attribution),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame { function: Some(function.into()), file: Some(file.into()), line: Some(line) }
    }

    fn at(frames: Vec<Frame>) -> Location {
        Location { object: None, frames }
    }

    #[test]
    fn an_inlined_function_names_the_one_whose_code_it_is_in() {
        let frames = ["inner", "middle", "outer"].map(|name| frame(name, "a.c", 3));
        let line = at(frames.into()).source_line(Attribution::Own);
        assert_eq!(line.line, Some(3));
        assert_eq!(line.function.name.as_deref(), Some("inner"));
        assert_eq!(line.function.inlined_into.as_deref(), Some("outer"));
    }

    #[test]
    fn a_function_that_is_not_inlined_is_in_no_other() {
        let function = at(vec![frame("main", "a.c", 1)]).function(Attribution::Own);
        assert_eq!(function.inlined_into, None);
        assert_eq!(Location::default().function(Attribution::Own).name, None);
    }

    /// What code counts for, as `FILE:LINE FUNCTION in OUTER`.
    fn counted(location: &Location, attribution: Attribution) -> String {
        let SourceLine { file, line, function } = location.source_line(attribution);
        let text = |text: Option<Arc<str>>| text.unwrap_or_default();
        let (name, outer) = (text(function.name), text(function.inlined_into));
        format!("{}:{} {name} in {outer}", text(file), line.unwrap_or(0))
    }

    #[test]
    fn code_of_a_librarys_template_counts_for_the_users_line_that_called_it() {
        let header = "/usr/include/c++/12/bits/stl_tree.h";
        let frames = vec![
            frame("_M_insert", header, 2116),
            frame("insert", "/usr/include/c++/12/bits/stl_set.h", 511),
            frame("fill", "/home/ann/tree.cpp", 8),
            frame("main", "/home/ann/tree.cpp", 20),
        ];
        let location = at(frames);
        for (attribution, expected) in [
            (Attribution::Own, "/home/ann/tree.cpp:8 fill in main"),
            (Attribution::Innermost, "/usr/include/c++/12/bits/stl_tree.h:2116 _M_insert in main"),
            (Attribution::Outermost, "/home/ann/tree.cpp:20 main in "),
        ] {
            assert_eq!(counted(&location, attribution), expected);
        }
    }

    #[test]
    fn code_that_is_a_librarys_throughout_counts_for_the_function_that_was_called() {
        let frames = ["tcache_get", "malloc"].map(|name| frame(name, "./malloc/malloc.c", 9));
        let location = at(frames.into());
        assert_eq!(counted(&location, Attribution::Own), "./malloc/malloc.c:9 malloc in ");
        let unknown =
            at(vec![frame("inlined", "/rustc/0/library/core/src/cmp.rs", 1), Frame::default()]);
        assert_eq!(counted(&unknown, Attribution::Own), ":0  in ");
    }
}
