//! What a vCPU did that is not just counted.

use cachesim::core::Lines;
use cachesim::instructions::{Instruction, LineRun};
use cachesim::model::{Access, Kind, Port};

/// An access that changes more than how recent a line is, or may.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The instruction that makes it, or that is fetched.
    pub instruction: &'static Instruction,
    /// The access.
    pub access: Access,
    /// How many fetches follow it that hit by construction.
    pub following_fetches: u64,
}

// A record in a buffer is two words: the address; and the instruction's address, whose lowest bits are free,
// with the extent above it, which hosts leave free. The lowest bit is the buffer's.

const STORE: u64 = 1 << 1;
const EXTENT_SHIFT: u32 = 48;

impl Event {
    /// The fetches of a run.
    #[inline(always)]
    pub fn of_run(run: &LineRun) -> Self {
        Self { instruction: run.instruction, access: run.access(), following_fetches: 0 }
    }

    /// The two words of its record. What follows the access is not in it.
    ///
    /// # Panics
    /// Where the host puts instructions above 2^48, which no host does unasked.
    #[inline(always)]
    pub(crate) fn record(&self) -> (u64, u64) {
        const { assert!(align_of::<Instruction>() as u64 > (STORE | 1)) };
        let Access { kind, address, extent, .. } = self.access;
        let instruction = std::ptr::from_ref(self.instruction).expose_provenance() as u64;
        assert!(instruction >> EXTENT_SHIFT == 0, "hosts give out addresses below 2^48");
        let store = if kind == Kind::Store { STORE } else { 0 };
        (address, u64::from(extent) << EXTENT_SHIFT | instruction | store)
    }

    /// The event of such a record, where the caches have `lines`.
    ///
    /// # Safety
    /// [`Event::record`] made the words.
    #[inline(always)]
    pub(crate) unsafe fn of_record(lines: Lines, port: Port, address: u64, token: u64) -> Self {
        let kind = match port {
            Port::Fetch => Kind::Fetch,
            Port::Data if token & STORE != 0 => Kind::Store,
            Port::Data => Kind::Load,
        };
        let extent = (token >> EXTENT_SHIFT) as u16;
        let instruction = (token & ((1 << EXTENT_SHIFT) - 1) & !STORE) as usize;
        // SAFETY: `record` took the address of a `&'static Instruction`, whose lowest bits were free.
        let instruction = unsafe { &*std::ptr::with_exposed_provenance(instruction) };
        Self { instruction, access: lines.access(kind, address, extent), following_fetches: 0 }
    }
}

#[cfg(test)]
mod tests {
    use cachesim::config::{Config, Level, Parts};
    use cachesim::geometry::CacheGeometry;
    use cachesim::instructions::{Code, Description, Identity, InstructionTable, SymbolId};
    use cachesim::machines::Machines;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 10 } else { 1000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// All but the fetches that follow, which are counted when it is recorded.
        #[test]
        fn an_event_comes_back_from_its_record(
            address in any::<u64>(),
            extent in any::<u16>(),
            kind in prop::sample::select(vec![Kind::Fetch, Kind::Load, Kind::Store]),
            following_fetches in any::<u64>(),
        ) {
            let geometry = |line_bytes| CacheGeometry::new(1024, line_bytes, 2).expect("valid");
            let level = |geometry| Level { geometry, ..Config::default().dcache() };
            let parts = Parts {
                icache: level(geometry(32)),
                dcache: level(geometry(128)),
                ..Parts::default()
            };
            let config = Config::new(parts).expect("valid");
            let lines = Lines::new(&config);
            let mut table = InstructionTable::new(Machines::from(&config));
            let instructions = [0, 4].map(|place| {
                let identity = Identity { fetch_address: place, code: Code::new(&[0]) };
                let symbol = SymbolId::NONE;
                table.get_or_insert(identity, |_| Description { vaddr: place, decoding: 0, symbol })
            });
            for instruction in instructions {
                let event = Event { instruction, access: lines.access(kind, address, extent), following_fetches };
                let (word, token) = event.record();
                prop_assert_eq!(token & 1, 0, "the bit of the buffer");
                // SAFETY: the words of a record.
                let back = unsafe { Event::of_record(lines, kind.port(), word, token) };
                prop_assert!(std::ptr::eq(back.instruction, instruction));
                prop_assert_eq!(back.access, event.access);
                prop_assert_eq!(back.following_fetches, 0);
            }
        }
    }
}
