//! What threads share memory with: atomics and mutexes, those of a model checker where there is one.
//!
//! Shuttle runs a test many times, on one thread, and decides at each operation on one of these whose turn is next:
//! see `make model-check`. It knows no weak memory; Miri does. What only one thread ever writes and reads is
//! made of the standard library's atomics.

#[cfg(not(shuttle))]
pub use parking_lot::{Mutex, MutexGuard, RawMutex};
#[cfg(not(shuttle))]
pub use std::sync::atomic;

#[cfg(shuttle)]
pub use shuttle::sync::atomic;
#[cfg(shuttle)]
pub use shuttle_parking_lot::{Mutex, MutexGuard, RawMutex};
