//! Accesses of one block at fixed distances from each other: fields of one structure, registers saved on
//! the stack. The address of the first tells those of all, so that one callback simulates them.
//!
//! Only the first is known to complete. The others are of the same kind (loads or stores), so those in
//! the same page complete too: a page is accessible or not as a whole. Of the first one in another page
//! only what happens next tells.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::address::LineAddr;
use crate::instructions::Instruction;

/// The binary logarithm of a length that no guest's page that has groups falls below (RISC-V's 4 KiB).
pub const PAGE_SHIFT: u32 = 12;

/// The usual length of a line, for which a group's answers are looked up: as many as a word has bits.
pub const USUAL_LINE_BYTES: u64 = u64::BITS as u64;

/// One access of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupedAccess {
    /// Its distance from the group's first access.
    pub distance: i32,
    /// Its length, in bytes.
    pub bytes: u8,
    /// The fetches that follow if it completes.
    pub fetches: u16,
    /// The instruction that makes it.
    pub instruction: &'static Instruction,
}

impl GroupedAccess {
    /// Where it is, if the group's first access is at `first`.
    #[inline(always)]
    pub fn address(&self, first: u64) -> u64 {
        first.wrapping_add_signed(self.distance.into())
    }

    /// Whether all of it is in the page of `first`, where the group's first access is.
    #[inline(always)]
    fn is_in_page_of(&self, first: u64) -> bool {
        let start = self.address(first);
        let last = start.wrapping_add(u64::from(self.bytes).saturating_sub(1));
        start >> PAGE_SHIFT == first >> PAGE_SHIFT && last >> PAGE_SHIFT == first >> PAGE_SHIFT
    }
}

/// Accesses in the order in which they are made, within as many bytes as a line has: so they are in one
/// line or in two neighbours.
#[derive(Debug)]
#[repr(C)]
pub struct AccessGroup {
    /// Bit n tells whether all of it is in one line of [`USUAL_LINE_BYTES`] whose byte n the first access
    /// is at.
    in_usual_line: u64,
    /// The fetches that follow its accesses.
    pub fetches: u32,
    extent: Extent,
    count: u64,
    /// The instruction that makes the first access.
    pub first: &'static Instruction,
    accesses: Box<[GroupedAccess]>,
}

impl AccessGroup {
    /// How many accesses these are.
    #[inline(always)]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether all of it is in one line of [`USUAL_LINE_BYTES`], if its first access is at `first`. The
    /// answer is looked up: one instruction of the host.
    #[inline(always)]
    pub fn is_in_usual_line(&self, first: u64) -> bool {
        self.in_usual_line >> (first % USUAL_LINE_BYTES) & 1 != 0
    }

    /// The addresses of the group's lowest and highest byte, if its first access is at `first`.
    #[inline(always)]
    pub fn bounds(&self, first: u64) -> (u64, u64) {
        let at = |distance: i32| first.wrapping_add_signed(distance.into());
        (at(self.extent.lowest), at(self.extent.highest))
    }

    /// Whether all of it is in one page, if its first access is at `first`. Then all accesses are certain.
    #[inline(always)]
    pub fn is_in_one_page(&self, first: u64) -> bool {
        let (lowest, highest) = self.bounds(first);
        lowest >> PAGE_SHIFT == highest >> PAGE_SHIFT
    }

    /// The lines of the group, if its first access is at `first`: the first access's, and the other one.
    #[inline(always)]
    pub fn lines(
        &self,
        first: u64,
        line: impl Fn(u64) -> LineAddr,
    ) -> (LineAddr, Option<LineAddr>) {
        let at = |distance: i32| line(first.wrapping_add_signed(distance.into()));
        let (one, lowest, highest) = (line(first), at(self.extent.lowest), at(self.extent.last));
        let other = if lowest == one { highest } else { lowest };
        (one, (other != one).then_some(other))
    }

    /// The accesses that are certain to be made, if the first has been made at `first`; and the others.
    pub fn certain(&self, first: u64) -> (&[GroupedAccess], &[GroupedAccess]) {
        let same_page =
            self.accesses.iter().skip(1).take_while(|access| access.is_in_page_of(first));
        self.accesses.split_at(self.accesses.len().min(1 + same_page.count()))
    }

    /// All accesses.
    pub fn accesses(&self) -> &[GroupedAccess] {
        &self.accesses
    }
}

/// How far accesses are from the first of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The distance of the lowest byte, where an access starts.
    lowest: i32,
    /// That of the highest byte where one starts.
    last: i32,
    /// That of the highest byte.
    highest: i32,
}

impl Extent {
    /// Of these accesses.
    pub fn of(accesses: &[GroupedAccess]) -> Self {
        let distances = accesses.iter().map(|access| access.distance);
        let (lowest, last) = (distances.clone().min(), distances.max());
        let ends = accesses.iter().map(|access| access.distance + i32::from(access.bytes) - 1);
        Self {
            lowest: lowest.unwrap_or(0),
            last: last.unwrap_or(0),
            highest: ends.max().unwrap_or(0),
        }
    }

    /// See [`AccessGroup::in_usual_line`].
    fn in_usual_line(self) -> u64 {
        let is_in_line = |first: u64| {
            let line =
                |distance: i32| first.wrapping_add_signed(distance.into()) / USUAL_LINE_BYTES;
            line(self.lowest) == line(self.highest)
        };
        (0..USUAL_LINE_BYTES).map(|first| u64::from(is_in_line(first)) << first).sum()
    }

    /// The bytes from the lowest to the highest.
    pub fn bytes(self) -> u64 {
        u64::from(self.highest.abs_diff(self.lowest)) + 1
    }
}

/// The groups of all blocks. Translating the same code again finds the same group. They live as long as
/// the process: translated code holds their addresses.
#[derive(Debug, Default)]
pub struct GroupTable {
    groups: HashMap<Box<[(usize, u16)]>, &'static AccessGroup, FixedState>,
}

impl GroupTable {
    /// The group of these accesses, if there are several. The first is at distance 0.
    pub fn group(&mut self, accesses: &[GroupedAccess]) -> Option<&'static AccessGroup> {
        let [first, _, ..] = accesses else { return None };
        // An instruction's bytes are part of its identity, and tell the distance; how many instructions
        // lie between it and the next access they do not.
        let of = |access: &GroupedAccess| {
            (std::ptr::from_ref(access.instruction).addr(), access.fetches)
        };
        let key = accesses.iter().map(of).collect();
        let group = self.groups.entry(key).or_insert_with(|| {
            let extent = Extent::of(accesses);
            Box::leak(Box::new(AccessGroup {
                in_usual_line: extent.in_usual_line(),
                extent,
                fetches: accesses.iter().map(|access| u32::from(access.fetches)).sum(),
                count: accesses.len() as u64,
                first: first.instruction,
                accesses: accesses.into(),
            }))
        });
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::{Code, Description, Identity, InstructionTable, SymbolId};

    fn instruction(table: &mut InstructionTable, place: u64) -> &'static Instruction {
        let identity = Identity { place, code: Code::new(&[0, 0]) };
        table.get_or_insert(identity, |_| Description {
            vaddr: place,
            decoding: 0,
            symbol: SymbolId::NONE,
        })
    }

    /// Accesses at these distances and of these lengths, by one instruction each.
    fn accesses(places: &[(i32, u8)]) -> Vec<GroupedAccess> {
        let mut table = InstructionTable::default();
        let access = |(number, &(distance, bytes)): (u64, &(i32, u8))| GroupedAccess {
            distance,
            bytes,
            fetches: 1,
            instruction: instruction(&mut table, 2 * number),
        };
        (0..).zip(places).map(access).collect()
    }

    fn group(places: &[(i32, u8)]) -> &'static AccessGroup {
        GroupTable::default().group(&accesses(places)).expect("several")
    }

    fn lines(group: &AccessGroup, first: u64) -> (u64, Option<u64>) {
        let (one, other) = group.lines(first, |address| LineAddr::containing(address, 6));
        (one.number(), other.map(LineAddr::number))
    }

    #[test]
    fn a_single_access_is_no_group() {
        let mut table = GroupTable::default();
        assert!(table.group(&[]).is_none());
        assert!(table.group(&accesses(&[(0, 8)])).is_none());
    }

    #[test]
    fn the_same_accesses_are_the_same_group() {
        let mut table = GroupTable::default();
        let mut accesses = accesses(&[(0, 8), (8, 8), (16, 8)]);
        let first = table.group(&accesses).expect("several");
        assert!(std::ptr::eq(first, table.group(&accesses).expect("several")));
        assert!(!std::ptr::eq(first, table.group(&accesses[..2]).expect("several")));
        // Another instruction lies between the same accesses.
        accesses[1].fetches += 1;
        assert!(!std::ptr::eq(first, table.group(&accesses).expect("several")));
        assert_eq!(first.accesses()[1].fetches, 1);
    }

    #[test]
    fn a_group_is_in_one_line_or_in_two() {
        let up = group(&[(0, 8), (8, 8), (56, 8)]);
        assert_eq!(lines(up, 0x1000), (0x40, None));
        assert_eq!(lines(up, 0x1008), (0x40, Some(0x41)));
        let down = group(&[(0, 8), (-8, 8), (-16, 8)]);
        assert_eq!(lines(down, 0x1010), (0x40, None));
        assert_eq!(lines(down, 0x1008), (0x40, Some(0x3f)));
        // The first is in the middle.
        let both = group(&[(0, 4), (-4, 4), (4, 4)]);
        assert_eq!(lines(both, 0x1000), (0x40, Some(0x3f)));
        assert_eq!(lines(both, 0x103c), (0x40, Some(0x41)));
    }

    #[test]
    fn what_is_looked_up_is_whether_the_bounds_are_in_one_line() {
        let places: [&[(i32, u8)]; 4] = [
            &[(0, 8), (8, 8)],
            &[(0, 8), (-8, 8), (-16, 8)],
            &[(0, 4), (60, 4)],
            &[(0, 1), (0, 2)],
        ];
        for group in places.map(group) {
            for first in (0..130).chain(u64::MAX - 130..=u64::MAX) {
                let (lowest, highest) = group.bounds(first);
                assert_eq!(group.is_in_usual_line(first), lowest / 64 == highest / 64);
            }
        }
    }

    #[test]
    fn an_access_is_of_the_line_of_its_first_byte() {
        let group = group(&[(0, 8), (8, 8)]);
        assert_eq!(lines(group, 0x1034), (0x40, None));
        assert_eq!(group.bounds(0x1034), (0x1034, 0x1043));
    }

    #[test]
    fn accesses_are_certain_as_far_as_the_page_of_the_first_goes() {
        let certain = |group: &AccessGroup, first| {
            let (certain, doubtful) = group.certain(first);
            assert_eq!(certain.len() + doubtful.len(), group.accesses().len());
            assert!(doubtful.is_empty() || !group.is_in_one_page(first));
            certain.len()
        };
        let up = group(&[(0, 8), (8, 8), (16, 8)]);
        assert_eq!(certain(up, 0x1000), 3);
        assert_eq!(certain(up, 0x1fe8), 3);
        // The last one is in two pages.
        assert_eq!(certain(up, 0x1fe9), 2);
        assert_eq!(certain(up, 0x1ff0), 2);
        // The first one is: it has been made, and is the only one of which that is known.
        assert_eq!(certain(up, 0x1ff9), 1);
        let back = group(&[(0, 8), (-8, 8), (0, 8)]);
        assert_eq!(certain(back, 0x2000), 1);
        assert_eq!(certain(back, 0x2008), 3);
    }

    #[test]
    fn an_extent_is_from_the_lowest_to_the_highest_byte() {
        assert_eq!(Extent::of(&accesses(&[(0, 8), (-16, 4), (8, 2)])).bytes(), 26);
        // The longest reaches furthest, though it begins first.
        assert_eq!(Extent::of(&accesses(&[(0, 16), (8, 1)])).bytes(), 16);
    }
}
