//! `libcache.so`, a QEMU TCG plugin that simulates the caches of the guest's cores.
//!
//! QEMU loads the file (`-plugin ./libcache.so,dblksize=64,evict=lru`), calls
//! [`qemu_plugin_install`], and from then on the callbacks that were registered there. This crate is all
//! that knows QEMU. Caches are in `cachesim`, vCPUs and cores in `machine`, what is known of guest instructions
//! in `isa`, the options and the reports in crates of these names. ARCHITECTURE.md has the bird's-eye view.

mod access;
mod architectures;
mod outcome;
mod output;
mod process;
mod qemu;
mod session;
mod translate;

use std::ffi::{c_char, c_int};

use qemu_plugin_sys::{qemu_info_t, qemu_plugin_id_t};

pub use qemu::qemu_plugin_version;

/// QEMU's entry point: 0 if the plugin is installed; anything else ends QEMU before the guest runs.
///
/// # Safety
/// For QEMU to call, with the arguments its plugin API promises.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: qemu_plugin_id_t,
    info: *const qemu_info_t,
    argc: c_int,
    arguments: *mut *mut c_char,
) -> c_int {
    // SAFETY: QEMU's arguments, used during the call only.
    let (qemu, arguments) =
        unsafe { (qemu::Qemu::new(id, info), qemu::arguments(argc, arguments)) };
    session::install(qemu, arguments)
}

/// Writes this plugin's report. For another copy of this file in the same QEMU, which has the process die
/// of a signal.
#[unsafe(no_mangle)]
pub extern "C" fn libcache_report_before_death() {
    session::report_before_death();
}
