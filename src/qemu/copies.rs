//! Other copies of this file in the same QEMU: each is a plugin of its own, but a signal is caught by one.

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::OsStringExt;

/// The name by which QEMU has loaded this file.
pub fn own_path() -> Option<OsString> {
    // SAFETY: all zeros is a value of this struct, which the call writes; the name it has then is the
    // linker's, which keeps it as long as the file is loaded.
    let name = unsafe {
        let mut information: libc::Dl_info = std::mem::zeroed();
        let address = (own_path as *const ()).cast::<libc::c_void>();
        if libc::dladdr(address, &raw mut information) == 0 || information.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(information.dli_fname)
    };
    Some(OsString::from_vec(name.to_bytes().to_vec()))
}

/// Has all other copies write their reports.
#[cfg(target_os = "linux")]
pub fn report_others() {
    let own = crate::libcache_report_before_death as extern "C" fn();
    for library in plt_rs::collect_modules() {
        let Ok(name) = std::ffi::CString::new(library.name()) else { continue };
        // SAFETY: the library is loaded, and is not loaded by this; what has this name there is this
        // function of another version of this file, which is never unloaded.
        let other = unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY);
            if handle.is_null() {
                continue;
            }
            let function = libc::dlsym(handle, c"libcache_report_before_death".as_ptr());
            std::mem::transmute::<*mut libc::c_void, Option<extern "C" fn()>>(function)
        };
        if let Some(other) = other.filter(|other| !std::ptr::fn_addr_eq(*other, own)) {
            other();
        }
    }
}
