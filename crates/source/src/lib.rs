//! Where an instruction comes from: its ELF file, functions and lines, as plain data.
//!
//! Who finds locations (`symbols`) and who reports them (`report`) share these types and know nothing
//! of each other. Any text may be in them: it is the guest's.
#![forbid(unsafe_code)]

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

impl Location {
    /// The innermost function.
    pub fn function(&self) -> Function {
        let name = |frame: &Frame| frame.function.clone();
        let inlined_into = match &self.frames[..] {
            [_, .., outermost] => name(outermost),
            _ => None,
        };
        Function {
            name: self.frames.first().and_then(name),
            inlined_into,
            object: self.object.clone(),
        }
    }

    /// The innermost line.
    pub fn source_line(&self) -> SourceLine {
        let innermost = self.frames.first();
        SourceLine {
            file: innermost.and_then(|frame| frame.file.clone()),
            line: innermost.and_then(|frame| frame.line),
            function: self.function(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, line: u32) -> Frame {
        Frame { function: Some(function.into()), file: Some("a.c".into()), line: Some(line) }
    }

    #[test]
    fn an_inlined_function_names_the_one_whose_code_it_is_in() {
        let frames = vec![frame("inner", 3), frame("middle", 2), frame("outer", 1)];
        let line = Location { object: None, frames }.source_line();
        assert_eq!(line.line, Some(3));
        assert_eq!(line.function.name.as_deref(), Some("inner"));
        assert_eq!(line.function.inlined_into.as_deref(), Some("outer"));
    }

    #[test]
    fn a_function_that_is_not_inlined_is_in_no_other() {
        let function = Location { object: None, frames: vec![frame("main", 1)] }.function();
        assert_eq!(function.inlined_into, None);
        assert_eq!(Location::default().function().name, None);
    }
}
