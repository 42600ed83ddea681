//! Which QEMU is this? The differences between plugin API generations, hidden.
//!
//! QEMU refuses a plugin whose `qemu_plugin_version` lies outside what it accepts: 0 to 1 (QEMU 6.0 to
//! 8.2), 2 to at most 5 (9.0 to 10.2), 7 alone (11.1). It reads the symbol after loading the file, so
//! a constructor that runs at load sets it to what the QEMU around it takes. The functions used here
//! exist under the same names from API 1 to 7; what differs is looked up when the plugin is installed.

pub mod command_line;
pub mod copies;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::mem;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::anyhow;
use options::GuestMode;
use qemu_plugin_sys::{
    qemu_info_t, qemu_plugin_id_t, qemu_plugin_insn, qemu_plugin_register_atexit_cb,
    qemu_plugin_register_flush_cb, qemu_plugin_register_vcpu_exit_cb,
    qemu_plugin_register_vcpu_init_cb, qemu_plugin_register_vcpu_resume_cb,
    qemu_plugin_register_vcpu_syscall_cb, qemu_plugin_register_vcpu_syscall_ret_cb,
    qemu_plugin_register_vcpu_tb_trans_cb, qemu_plugin_tb,
};

use crate::process::syscalls::Numbers;

/// The API version QEMU reads when it has loaded the file: an `int` (`AtomicI32` has its layout).
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is QEMU's")]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(1);

#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static CHOOSE_VERSION: extern "C" fn() = choose_version;

extern "C" fn choose_version() {
    let version = if symbol(c"qemu_plugin_scoreboard_new").is_none() {
        1
    } else if symbol(c"qemu_plugin_set_pc").is_none() {
        2
    } else if host_image::contains(b" version 11.0.") {
        // 11.0 and 11.1 export the same names.
        6
    } else {
        7
    };
    qemu_plugin_version.store(version, Ordering::Relaxed);
}

/// The address of a symbol that QEMU may or may not export.
fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a NUL-terminated name; the default scope is QEMU's executable and its libraries.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// The executable this plugin was loaded into, as it lies in memory.
mod host_image {
    /// Whether the executable's read-only parts hold `text`.
    pub(super) fn contains(text: &[u8]) -> bool {
        find_map(|bytes| memchr::memmem::find(bytes, text)).is_some()
    }

    /// The first word after `text` in the executable's read-only parts.
    pub(super) fn word_after(text: &[u8]) -> Option<String> {
        find_map(|bytes| {
            let word = &bytes[memchr::memmem::find(bytes, text)? + text.len()..];
            let end = word.iter().position(|byte| !byte.is_ascii_graphic())?;
            Some(String::from_utf8_lossy(&word[..end]).into_owned())
        })
    }

    /// What `search` finds first in one of the executable's read-only parts.
    #[cfg(target_os = "linux")]
    fn find_map<T>(search: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        use std::ffi::c_int;
        use std::ffi::c_void;

        struct Search<'a> {
            visit: &'a mut dyn FnMut(&[u8]),
        }

        /// # Safety
        /// `info` is valid, and `data` a `Search` that nobody else uses meanwhile.
        unsafe extern "C" fn visit(
            info: *mut libc::dl_phdr_info,
            _size: usize,
            data: *mut c_void,
        ) -> c_int {
            // SAFETY: the caller's promise.
            let (info, search) = unsafe { (&*info, &mut *data.cast::<Search<'_>>()) };
            // SAFETY: the linker's table of this object's program headers.
            let headers =
                unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
            for header in headers {
                let readable = header.p_flags & (libc::PF_R | libc::PF_W) == libc::PF_R;
                if header.p_type == libc::PT_LOAD && readable {
                    let start = usize::try_from(info.dlpi_addr + header.p_vaddr);
                    let len = usize::try_from(header.p_filesz);
                    let (Ok(start), Ok(len)) = (start, len) else { continue };
                    // SAFETY: a loaded segment, mapped readable and not writable.
                    let bytes = unsafe {
                        std::slice::from_raw_parts(
                            std::ptr::with_exposed_provenance::<u8>(start),
                            len,
                        )
                    };
                    (search.visit)(bytes);
                }
            }
            // The first object is the executable; there is no need for the others.
            1
        }

        let mut found = None;
        let mut first = |bytes: &[u8]| {
            if found.is_none() {
                found = search(bytes);
            }
        };
        let mut search = Search { visit: &mut first };
        // SAFETY: `visit` matches the callback's type and `search` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        found
    }

    #[cfg(not(target_os = "linux"))]
    fn find_map<T>(_: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        None
    }
}

/// How this QEMU calls callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Convention {
    /// Up to API 6: the plugin's id comes first, user data in some.
    Id,
    /// Since API 7: user data last, no id.
    UserData,
}

type InsnDataCopy = unsafe extern "C" fn(*const qemu_plugin_insn, *mut c_void, usize) -> usize;
type InsnDataPointer = unsafe extern "C" fn(*const qemu_plugin_insn) -> *const c_void;
type TranslateVaddr = unsafe extern "C" fn(u64, *mut u64) -> bool;

/// How an instruction's bytes are had.
#[derive(Clone, Copy, Debug)]
enum InsnData {
    /// Since API 3: QEMU copies them.
    Copy(InsnDataCopy),
    /// Before: QEMU returns their address.
    Pointer(InsnDataPointer),
    /// QEMU does not say.
    Missing,
}

/// Whether a whole system or one program is emulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emulation {
    /// `qemu-system-*`.
    System {
        /// vCPUs at the start.
        smp_vcpus: u32,
        /// vCPUs that there can be, with those plugged in later.
        max_vcpus: u32,
    },
    /// `qemu-*`.
    User,
}

/// What there is to know of the QEMU that installs the plugin.
#[derive(Clone, Debug)]
pub struct Qemu {
    id: qemu_plugin_id_t,
    convention: Convention,
    insn_data: InsnData,
    translate_vaddr: Option<TranslateVaddr>,
    log_level: Option<&'static AtomicI32>,
    /// The plugin API's version.
    pub api: i32,
    /// The guest architecture, as in the executable's name.
    pub target: String,
    /// User or system mode.
    pub emulation: Emulation,
}

/// A block that QEMU has just translated, as long as the callback that is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    tb: *mut qemu_plugin_tb,
    during: PhantomData<&'a ()>,
}

impl<'a> Block<'a> {
    /// # Safety
    /// QEMU is translating `tb` as long as the reference to it lives.
    unsafe fn new(tb: &'a *mut qemu_plugin_tb) -> Self {
        Self { tb: *tb, during: PhantomData }
    }

    /// QEMU's block.
    pub fn tb(self) -> *mut qemu_plugin_tb {
        self.tb
    }
}

/// The callbacks of the plugin that are called without an instruction, in the form of this file.
pub trait Events {
    /// A block has been translated and can be instrumented.
    fn translated(block: Block<'_>);
    /// All translated code has been discarded.
    fn flushed();
    /// A vCPU has been made. Up to API 1 told by the thread that makes it, later by its own.
    fn made(vcpu_index: u32);
    /// The guest's program makes a system call, on this vCPU's thread. Not told since API 7.
    fn syscall(vcpu_index: u32, number: i64, arguments: &[u64; 8]);
    /// A system call of the guest's program has returned, on the same thread. Not told since API 7.
    fn syscall_returned(number: i64);
    /// A vCPU runs again after it was idle or stopped.
    fn resumed(vcpu_index: u32);
    /// A vCPU is gone.
    fn gone(vcpu_index: u32);
    /// QEMU ends.
    fn ending();
}

impl Qemu {
    /// Reads what `qemu_plugin_install` was given.
    ///
    /// # Safety
    /// `id` and `info` are those QEMU passed to `qemu_plugin_install`, which has not returned.
    pub unsafe fn new(id: qemu_plugin_id_t, info: *const qemu_info_t) -> Self {
        // SAFETY: `info` is live during install.
        let info = unsafe { &*info };
        // SAFETY: a NUL-terminated string, live as `info` is.
        let target = unsafe { CStr::from_ptr(info.target_name) };
        let emulation = if info.system_emulation {
            // SAFETY: the variant that a system-mode QEMU fills in.
            let system = unsafe { info.__bindgen_anon_1.system };
            let smp_vcpus = u32::try_from(system.smp_vcpus).unwrap_or(1).max(1);
            let max_vcpus = u32::try_from(system.max_vcpus).unwrap_or(1).max(smp_vcpus);
            Emulation::System { smp_vcpus, max_vcpus }
        } else {
            Emulation::User
        };
        let api = info.version.cur;
        // SAFETY: these symbols have these types: `qemu_plugin_insn_data` changed at API 3,
        // `qemu_plugin_translate_vaddr` is as it was when it came, `qemu_loglevel` is an `int` that
        // QEMU itself reads without a lock.
        let (insn_data, translate_vaddr, log_level) = unsafe {
            let insn_data = match symbol(c"qemu_plugin_insn_data") {
                Some(f) if api >= 3 => {
                    InsnData::Copy(mem::transmute::<*mut c_void, InsnDataCopy>(f))
                }
                Some(f) => InsnData::Pointer(mem::transmute::<*mut c_void, InsnDataPointer>(f)),
                None => InsnData::Missing,
            };
            let translate = symbol(c"qemu_plugin_translate_vaddr")
                .map(|f| mem::transmute::<*mut c_void, TranslateVaddr>(f));
            let log_level = symbol(c"qemu_loglevel").map(|v| &*v.cast::<AtomicI32>().cast_const());
            (insn_data, translate, log_level)
        };
        Self {
            id,
            api,
            convention: if api >= 7 { Convention::UserData } else { Convention::Id },
            insn_data,
            translate_vaddr,
            log_level,
            target: target.to_string_lossy().into_owned(),
            emulation,
        }
    }

    /// What the guest is, and its vCPUs at the start.
    pub fn guest(&self) -> (GuestMode, u32) {
        match self.emulation {
            Emulation::System { smp_vcpus, .. } => (GuestMode::System, smp_vcpus),
            Emulation::User => (GuestMode::User, 1),
        }
    }

    /// QEMU's version, as its executable says it: `7.2.22`.
    pub fn version(&self) -> Option<String> {
        let program = match self.emulation {
            Emulation::User => format!("qemu-{} version ", self.target),
            Emulation::System { .. } => "QEMU emulator version ".to_owned(),
        };
        host_image::word_after(program.as_bytes())
    }

    /// Whether a thread's start is told, by [`Events::made`] or [`Events::syscall`], before it runs:
    /// `numbers` are those of the guest's system calls, if known.
    pub fn announces_threads(&self, numbers: Option<&Numbers>) -> bool {
        self.api <= 1
            || self.convention == Convention::Id && numbers.is_some() && cfg!(target_os = "linux")
    }

    /// Whether this QEMU's log takes plugin output now, where it can be asked. The mask is bit 18,
    /// `CPU_LOG_PLUGIN` in every version.
    pub fn plugin_logging(&self) -> Option<bool> {
        self.log_level.map(|level| level.load(Ordering::Relaxed) & (1 << 18) != 0)
    }

    /// Copies the bytes of an instruction to `buffer`; how many.
    ///
    /// # Safety
    /// `insn` is of the block that is being translated, and is `size` bytes long.
    pub unsafe fn insn_bytes(
        &self,
        insn: *const qemu_plugin_insn,
        size: usize,
        buffer: &mut [u8],
    ) -> usize {
        let wanted = size.min(buffer.len());
        // SAFETY: the caller's promise; at most `wanted` bytes are read and written.
        unsafe {
            match self.insn_data {
                InsnData::Copy(copy) => copy(insn, buffer.as_mut_ptr().cast(), wanted).min(wanted),
                InsnData::Pointer(pointer) => {
                    let bytes = pointer(insn).cast::<u8>();
                    if bytes.is_null() {
                        return 0;
                    }
                    bytes.copy_to_nonoverlapping(buffer.as_mut_ptr(), wanted);
                    wanted
                }
                InsnData::Missing => 0,
            }
        }
    }

    /// The guest-physical address of `vaddr` for the vCPU that runs on this thread, where QEMU has
    /// the function (API 5) and the page is mapped.
    pub fn translate_vaddr(&self, vaddr: u64) -> Option<u64> {
        let translate = self.translate_vaddr?;
        let mut paddr = 0;
        // SAFETY: a function of QEMU's with this signature, called on a vCPU's thread.
        unsafe { translate(vaddr, &raw mut paddr) }.then_some(paddr)
    }

    /// Whether [`Qemu::translate_vaddr`] can ever answer.
    pub fn translates(&self) -> bool {
        self.translate_vaddr.is_some()
    }

    /// Has QEMU call `E` from now on.
    pub fn register<E: Events>(&self) {
        match self.convention {
            Convention::Id => by_id::register::<E>(self.id),
            Convention::UserData => by_userdata::register::<E>(self.id),
        }
    }
}

/// Callbacks as they are up to API 6.
mod by_id {
    use super::{
        Block, Events, c_void, qemu_plugin_id_t, qemu_plugin_register_atexit_cb,
        qemu_plugin_register_flush_cb, qemu_plugin_register_vcpu_exit_cb,
        qemu_plugin_register_vcpu_init_cb, qemu_plugin_register_vcpu_resume_cb,
        qemu_plugin_register_vcpu_syscall_cb, qemu_plugin_register_vcpu_syscall_ret_cb,
        qemu_plugin_register_vcpu_tb_trans_cb, qemu_plugin_tb,
    };

    pub(super) fn register<E: Events>(id: qemu_plugin_id_t) {
        // SAFETY: these functions exist in every API, and have these signatures up to API 6.
        unsafe {
            qemu_plugin_register_vcpu_tb_trans_cb(id, Some(translated::<E>));
            qemu_plugin_register_flush_cb(id, Some(flushed::<E>));
            qemu_plugin_register_vcpu_init_cb(id, Some(made::<E>));
            qemu_plugin_register_vcpu_syscall_cb(id, Some(syscall::<E>));
            qemu_plugin_register_vcpu_syscall_ret_cb(id, Some(syscall_returned::<E>));
            qemu_plugin_register_vcpu_resume_cb(id, Some(resumed::<E>));
            qemu_plugin_register_vcpu_exit_cb(id, Some(gone::<E>));
            qemu_plugin_register_atexit_cb(id, Some(ending::<E>), std::ptr::null_mut());
        }
    }

    /// # Safety
    /// `tb` is what QEMU passes to this callback.
    unsafe extern "C" fn translated<E: Events>(_: qemu_plugin_id_t, tb: *mut qemu_plugin_tb) {
        // SAFETY: the block is this callback's.
        E::translated(unsafe { Block::new(&tb) });
    }

    extern "C" fn flushed<E: Events>(_: qemu_plugin_id_t) {
        E::flushed();
    }

    extern "C" fn made<E: Events>(_: qemu_plugin_id_t, vcpu_index: u32) {
        E::made(vcpu_index);
    }

    extern "C" fn syscall<E: Events>(
        _: qemu_plugin_id_t,
        vcpu_index: u32,
        number: i64,
        a1: u64,
        a2: u64,
        a3: u64,
        a4: u64,
        a5: u64,
        a6: u64,
        a7: u64,
        a8: u64,
    ) {
        E::syscall(vcpu_index, number, &[a1, a2, a3, a4, a5, a6, a7, a8]);
    }

    extern "C" fn syscall_returned<E: Events>(
        _: qemu_plugin_id_t,
        _: u32,
        number: i64,
        _result: i64,
    ) {
        E::syscall_returned(number);
    }

    extern "C" fn resumed<E: Events>(_: qemu_plugin_id_t, vcpu_index: u32) {
        E::resumed(vcpu_index);
    }

    extern "C" fn gone<E: Events>(_: qemu_plugin_id_t, vcpu_index: u32) {
        E::gone(vcpu_index);
    }

    extern "C" fn ending<E: Events>(_: qemu_plugin_id_t, _: *mut c_void) {
        E::ending();
    }
}

/// Callbacks as they are since API 7.
mod by_userdata {
    use super::{
        Block, Events, c_void, mem, qemu_plugin_id_t, qemu_plugin_register_atexit_cb,
        qemu_plugin_register_flush_cb, qemu_plugin_register_vcpu_exit_cb,
        qemu_plugin_register_vcpu_init_cb, qemu_plugin_register_vcpu_resume_cb,
        qemu_plugin_register_vcpu_tb_trans_cb, qemu_plugin_tb,
    };

    type Translated = unsafe extern "C" fn(*mut qemu_plugin_tb, *mut c_void);
    type OnVcpu = unsafe extern "C" fn(u32, *mut c_void);
    type Plain = unsafe extern "C" fn(*mut c_void);

    /// A function of QEMU's that registers a `C`, by its address.
    ///
    /// # Safety
    /// `function` takes an id, a `C` and user data.
    unsafe fn registrar<C>(
        function: *const (),
    ) -> unsafe extern "C" fn(qemu_plugin_id_t, C, *mut c_void) {
        // SAFETY: the caller's promise.
        unsafe {
            mem::transmute::<*const (), unsafe extern "C" fn(qemu_plugin_id_t, C, *mut c_void)>(
                function,
            )
        }
    }

    pub(super) fn register<E: Events>(id: qemu_plugin_id_t) {
        let none = std::ptr::null_mut();
        // SAFETY: these functions exist in every API, and have these signatures since API 7.
        unsafe {
            let on_translation = registrar(qemu_plugin_register_vcpu_tb_trans_cb as *const ());
            let on_flush = registrar(qemu_plugin_register_flush_cb as *const ());
            let on_creation = registrar(qemu_plugin_register_vcpu_init_cb as *const ());
            let on_resumption = registrar(qemu_plugin_register_vcpu_resume_cb as *const ());
            let on_vcpu_exit = registrar(qemu_plugin_register_vcpu_exit_cb as *const ());
            let on_exit = registrar(qemu_plugin_register_atexit_cb as *const ());
            on_translation(id, translated::<E> as Translated, none);
            on_flush(id, flushed::<E> as Plain, none);
            on_creation(id, made::<E> as OnVcpu, none);
            on_resumption(id, resumed::<E> as OnVcpu, none);
            on_vcpu_exit(id, gone::<E> as OnVcpu, none);
            on_exit(id, ending::<E> as Plain, none);
        }
    }

    /// # Safety
    /// `tb` is what QEMU passes to this callback.
    unsafe extern "C" fn translated<E: Events>(tb: *mut qemu_plugin_tb, _: *mut c_void) {
        // SAFETY: the block is this callback's.
        E::translated(unsafe { Block::new(&tb) });
    }

    extern "C" fn flushed<E: Events>(_: *mut c_void) {
        E::flushed();
    }

    extern "C" fn made<E: Events>(vcpu_index: u32, _: *mut c_void) {
        E::made(vcpu_index);
    }

    extern "C" fn resumed<E: Events>(vcpu_index: u32, _: *mut c_void) {
        E::resumed(vcpu_index);
    }

    extern "C" fn gone<E: Events>(vcpu_index: u32, _: *mut c_void) {
        E::gone(vcpu_index);
    }

    extern "C" fn ending<E: Events>(_: *mut c_void) {
        E::ending();
    }
}

/// Writes `text` to QEMU's log, which drops it unless plugin logging is on.
pub fn log(text: &str) {
    let without_nul: Vec<u8> = text.bytes().filter(|&byte| byte != 0).collect();
    let text = CString::new(without_nul).unwrap_or_default();
    // SAFETY: a NUL-terminated string.
    unsafe { qemu_plugin_sys::qemu_plugin_outs(text.as_ptr()) };
}

/// The plugin's arguments, as `qemu_plugin_install` was given them.
///
/// # Errors
/// Where one is not UTF-8: it would become the name of another file.
///
/// # Safety
/// `count` and `strings` are the `argc` and `argv` that QEMU passed to `qemu_plugin_install`.
pub unsafe fn arguments(count: c_int, strings: *mut *mut c_char) -> anyhow::Result<Vec<String>> {
    (0..usize::try_from(count).unwrap_or(0))
        .map(|i| {
            // SAFETY: `strings` has `count` NUL-terminated strings.
            let argument = unsafe { CStr::from_ptr(*strings.add(i)) };
            let text = argument.to_str().map(ToOwned::to_owned);
            text.map_err(|_| {
                let argument = argument.to_bytes().escape_ascii();
                anyhow!("{argument}: not UTF-8; use a file name that is")
            })
        })
        .collect()
}
