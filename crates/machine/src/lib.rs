//! The vCPUs of a run, the cores that they run on, and who may touch what. This crate does not know QEMU.
//!
//! A core is *private* while only one vCPU uses it: that vCPU's callbacks reach the model without a lock.
//! Where several vCPUs share a core (fewer cores than vCPUs, the threads of a user-mode guest), each records
//! into a buffer of its own, which is simulated under the core's lock. The same is done where several machines are
//! compared: each simulates what the buffers hold. So there are two things to know of an
//! access: how its vCPU and core are found ([`Finder`]), and where it goes ([`Seat`]). Each seat answers one
//! fast question; every other access is an [`Event`], which it takes.
//!
//! Code is translated for one finder. What was translated for the only vCPU there is notices when a second
//! one comes.
//!
//! Nothing here is ever freed: QEMU may run callbacks until the process is gone.

mod callback;
mod core;
mod counts;
mod directory;
mod event;
mod processor;
mod queue;
mod registry;
mod seat;
mod vcpu;

pub use crate::core::{BySet, SimulatedCore};
pub use callback::{Callback, Simulation};
pub use counts::{Counts, PendingMisses};
pub use directory::Directory;
pub use event::Event;
pub use processor::Locks;
pub use queue::Handover;
pub use registry::{Machine, Simulator};
pub use seat::{Alone, AnySeat, Finder, OwnCore, Private, Recorder, Seat, Shared};
pub use vcpu::OwnVcpu;
