//! Whether DWARF is fit to be read.
//!
//! The readers (`gimli` and `addr2line`) take any bytes without a panic, but not any in a reasonable
//! time, memory or stack: they recurse into inlined functions, and where many entries refer to one and
//! the same list, they read it again and again, so that a file of a megabyte can take hours. No compiler
//! writes such a file. So the work that the readers would do is counted here first, and may be a
//! multiple of the file's size only.
//!
//! Not counted are the lengths of functions' names, where many functions share a long one, and units that
//! claim the same addresses: they cost each function and each address asked for the time that it takes to
//! look through the name, or the units.

use std::collections::HashSet;

use addr2line::gimli::{
    self, AbbreviationsCacheStrategy, AttributeValue, Reader as _, Section as _, UnitType,
};

use crate::sections::{Bytes, Dwarf};

/// Deeper nests of inlined functions are not read: each costs the reader a stack frame.
const MAX_INLINED_DEPTH: usize = 256;
/// Steps for each byte of the sections: many times what real files take.
const STEPS_PER_BYTE: usize = 32;
/// Steps for any file.
const FREE_STEPS: usize = 64 << 20;

/// Why DWARF is not read.
#[derive(Debug)]
enum Unfit {
    /// Reading it would take too long.
    Work,
    /// Inlined functions are nested too deep.
    Depth,
    /// It is broken in a way that ends all reading.
    Broken(gimli::Error),
}

impl From<gimli::Error> for Unfit {
    fn from(error: gimli::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Unfit> for String {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Work => "debug information that refers to itself too often".to_owned(),
            Unfit::Depth => "debug information with inlined functions nested too deep".to_owned(),
            Unfit::Broken(error) => format!("debug information: {error}"),
        }
    }
}

/// Counts down what reading takes.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, steps: usize) -> Result<(), Unfit> {
        self.0 = self.0.checked_sub(steps).ok_or(Unfit::Work)?;
        Ok(())
    }
}

/// What is read of a file's units.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Code: functions and lines.
    Code,
    /// Entries that other files refer to, one at a time.
    Shared,
}

/// Whether reading `dwarf` is bounded; its supplementary file is vetted on its own.
///
/// It leaves those tables of abbreviations in `dwarf`'s cache that several units use.
///
/// # Errors
/// The reason, for a message.
pub(crate) fn vet(dwarf: &mut Dwarf, usage: Use) -> Result<(), String> {
    let mut budget = budget(dwarf);
    vet_abbreviations(dwarf, &mut budget)?;
    dwarf.populate_abbreviations_cache(AbbreviationsCacheStrategy::Duplicates);
    vet_units(dwarf, usage, &mut budget)?;
    Ok(())
}

fn budget(dwarf: &Dwarf) -> Budget {
    let size_bytes = [
        dwarf.debug_abbrev.reader().len(),
        dwarf.debug_info.reader().len(),
        dwarf.debug_line.reader().len(),
        dwarf.debug_line_str.reader().len(),
        dwarf.debug_str.reader().len(),
        dwarf.ranges.debug_ranges().reader().len(),
        dwarf.ranges.debug_rnglists().reader().len(),
    ];
    let steps = size_bytes.iter().sum::<usize>().saturating_mul(STEPS_PER_BYTE);
    Budget(steps.saturating_add(FREE_STEPS))
}

fn vet_units(dwarf: &Dwarf, usage: Use, budget: &mut Budget) -> Result<(), Unfit> {
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let kind = header.type_();
        if matches!(kind, UnitType::Type { .. } | UnitType::SplitType { .. }) {
            continue;
        }
        // What ends the reading of a unit here ends it there.
        let Ok(unit) = dwarf.unit(header) else { continue };
        let unit = unit.unit_ref(dwarf);
        if let Some(program) = &unit.line_program {
            budget.spend(program.header().header_length())?;
        }
        if usage == Use::Shared || kind == UnitType::Partial {
            // Has no code, so that its lines and functions are never asked for.
            continue;
        }
        vet_lines(unit, budget)?;
        match vet_entries(unit, budget) {
            Ok(()) | Err(Unfit::Broken(_)) => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(())
}

/// Units that begin at different places of one table of abbreviations read it again each.
fn vet_abbreviations(dwarf: &Dwarf, budget: &mut Budget) -> Result<(), Unfit> {
    let mut headers = dwarf.units();
    let mut known = HashSet::new();
    while let Some(header) = headers.next()? {
        let offset = header.debug_abbrev_offset();
        let mut table = *dwarf.debug_abbrev.reader();
        if known.insert(offset) && table.skip(offset.0).is_ok() {
            match vet_table(table, budget) {
                Ok(()) | Err(Unfit::Broken(_)) => {}
                Err(reason) => return Err(reason),
            }
        }
    }
    Ok(())
}

/// Counts the table's abbreviations (DWARF 5, section 7.5.3).
fn vet_table(mut table: Bytes, budget: &mut Budget) -> Result<(), Unfit> {
    while table.read_uleb128()? != 0 {
        let _tag = table.read_uleb128()?;
        let _children = table.read_u8()?;
        loop {
            budget.spend(1)?;
            let (name, form) = (table.read_uleb128()?, table.read_uleb128()?);
            if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                table.read_sleb128()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
    }
    Ok(())
}

/// Units may share a line table, and its files a long path.
fn vet_lines<'data>(unit: gimli::UnitRef<Bytes<'data>>, budget: &mut Budget) -> Result<(), Unfit> {
    let Some(program) = &unit.line_program else { return Ok(()) };
    let header = program.header();
    budget.spend(header.raw_program_buf().len())?;
    let length = |text: Option<AttributeValue<Bytes<'data>>>| {
        text.and_then(|text| unit.attr_string(text).ok()).map_or(0, |text| text.len())
    };
    let directory_bytes = unit.comp_dir.map_or(0, |directory| directory.len());
    for file in header.file_names() {
        budget.spend(directory_bytes)?;
        budget.spend(length(file.directory(header)))?;
        budget.spend(length(Some(file.path_name())))?;
    }
    Ok(())
}

/// Functions in functions are read once for each that they are in, and any may name the same ranges.
fn vet_entries(unit: gimli::UnitRef<Bytes>, budget: &mut Budget) -> Result<(), Unfit> {
    // The functions around an entry, and the inlined ones, by their depths.
    let mut functions: Vec<isize> = Vec::new();
    let mut inlined: Vec<isize> = Vec::new();
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        for around in [&mut functions, &mut inlined] {
            while around.pop_if(|outer| *outer >= depth).is_some() {}
        }
        let attributes = abbreviation.attributes();
        budget.spend((attributes.len() + 1).saturating_mul(functions.len() + 1))?;
        match abbreviation.tag() {
            gimli::DW_TAG_subprogram => functions.push(depth),
            gimli::DW_TAG_inlined_subroutine => inlined.push(depth),
            gimli::DW_TAG_compile_unit | gimli::DW_TAG_skeleton_unit => {}
            _ => {
                entries.skip_attributes(attributes)?;
                continue;
            }
        }
        if inlined.len() > MAX_INLINED_DEPTH {
            return Err(Unfit::Depth);
        }
        for attribute in attributes {
            let attribute = entries.read_attribute(*attribute)?;
            if attribute.name() == gimli::DW_AT_ranges {
                vet_ranges(unit, attribute.value(), functions.len().max(1), budget)?;
            }
        }
    }
    Ok(())
}

fn vet_ranges<'data>(
    unit: gimli::UnitRef<Bytes<'data>>,
    value: AttributeValue<Bytes<'data>>,
    times: usize,
    budget: &mut Budget,
) -> Result<(), Unfit> {
    // A list that is broken breaks the reading of this unit later; it costs nothing.
    let Ok(Some(mut ranges)) = unit.attr_ranges(value) else { return Ok(()) };
    while let Ok(Some(_)) = ranges.next() {
        budget.spend(times.saturating_mul(4))?;
    }
    Ok(())
}
