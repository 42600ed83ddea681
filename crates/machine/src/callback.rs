//! The callback that is running, which leads to what is its vCPU's.

use std::marker::PhantomData;

use cachesim::model::Model;
use cachesim::sync::atomic::{AtomicPtr, Ordering};

use crate::core::SimulatedCore;
use crate::directory::{Directory, address_of};
use crate::registry::Machine;
use crate::vcpu::Vcpu;

/// A simulation: its model, and where its vCPUs and cores are found. So a callback has to carry neither.
pub trait Simulation: 'static {
    /// The caches of a core.
    type Model: Model;

    /// The directory, the same at each call.
    fn directory() -> &'static Directory;
}

/// A callback of a vCPU that is running now, made for finder `F`: who has one may use what is that vCPU's,
/// as long as it lives.
#[derive(Debug)]
pub struct Callback<S, F> {
    index: u32,
    /// Not to be sent to another thread.
    made_for: PhantomData<(*const S, F)>,
}

#[expect(clippy::unused_self, reason = "that there is a callback is what allows to look")]
impl<S: Simulation, F> Callback<S, F> {
    /// The callback of vCPU `index`.
    ///
    /// # Safety
    /// QEMU has called the function that this happens in, for this vCPU, and the value lives in it only. The
    /// machine of the directory has been started, and its model is that of `S`. QEMU was given the function
    /// where its finder may be used: [`Private`](crate::Private) where no core has two vCPUs,
    /// [`Alone`](crate::Alone) where [`Directory::expect_several`] is called in time and two threads never
    /// execute such functions at once.
    #[inline(always)]
    pub unsafe fn new(index: u32) -> Self {
        Self { index, made_for: PhantomData }
    }

    /// What a pointer of the directory points to.
    ///
    /// # Safety
    /// It is one to a `T`.
    #[inline(always)]
    unsafe fn load<T>(pointer: &AtomicPtr<()>) -> Option<&'static T> {
        // SAFETY: null or, by the caller's promise, the address of a `&'static T`.
        unsafe { pointer.load(Ordering::Acquire).cast::<T>().as_ref() }
    }

    /// The only vCPU, if it has called back before and there is still no other.
    #[inline(always)]
    pub(crate) fn only_vcpu(&self) -> Option<&'static Vcpu<S::Model>> {
        // SAFETY: of the one machine, whose model is that of `S`.
        unsafe { Self::load(&S::directory().only_vcpu) }
    }

    /// The core of the only vCPU, or the null core.
    #[inline(always)]
    pub(crate) fn only_core(&self) -> &'static SimulatedCore<S::Model> {
        // SAFETY: of the one machine, whose model is that of `S`, and there since that has been started.
        unsafe { Self::load(&S::directory().only_core).unwrap_unchecked() }
    }

    /// The vCPU, if it has a slot and has called back before.
    #[inline(always)]
    pub(crate) fn known_vcpu(&self) -> Option<&'static Vcpu<S::Model>> {
        let slot = S::directory().slots.get(self.index as usize)?;
        // SAFETY: of the one machine, whose model is that of `S`.
        unsafe { Self::load(slot) }
    }

    /// The vCPU, which is made at its first callback.
    pub(crate) fn vcpu(&self) -> &'static Vcpu<S::Model> {
        self.known_vcpu().unwrap_or_else(|| {
            // SAFETY: the one machine, whose model is that of `S`.
            let machine: Option<&Machine<S::Model>> =
                unsafe { Self::load(&S::directory().machine) };
            machine.expect("the machine has been started").register(self.index)
        })
    }

    /// Makes `vcpu`, which is this callback's, known as the only one, unless there may be others; whether it
    /// is.
    pub(crate) fn is_only(&self, vcpu: &'static Vcpu<S::Model>) -> bool {
        if S::directory().several_expected() {
            return false;
        }
        // The one thread that runs guest code is here, so nobody can start another meanwhile.
        S::directory().only_vcpu.store(address_of(vcpu), Ordering::Release);
        S::directory().only_core.store(address_of(vcpu.core), Ordering::Release);
        true
    }
}
