//! One run: options become a machine and callbacks at the start, counters become a report at the end.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{anyhow, bail};
use cachesim::config::MAX_CORES;
use cachesim::core::Core;
use cachesim::hierarchy::Hierarchy;
use cachesim::pages::PAGE_SHIFT;
use cachesim::policy::{AnyPolicy, Fifo, Lru, PolicyKind, Random, TimedPolicy};
use isa::{Decoder, Emulator, Guest};
use machine::{Alone, BySet, Finder, Handover, Locks, Machine, Private, Shared, Simulator};
use options::{self, Detail, FileOf, Host, Options, Request};
use parking_lot::{Mutex, RawMutex};
use report::{CoreSnapshot, table};

use crate::access::{
    Addressing, AnyLines, CachedPhysical, CallbackSet, DIRECTORY, Full, LineSize, Lines64, Of,
    Physical, Plain, SHARED_GENERATION, Virtual, expect_readable_stores, memory_info_is_readable,
    vcpu_made_here,
};
use crate::architectures::Architecture;
use crate::outcome::Reading;
use crate::outcome::reporter::Reporter;
use crate::output::file::Contents;
use crate::output::held::{Held, Streams};
use crate::output::{self, Outlet};
use crate::process::syscalls::{self, MappingChange};
use crate::process::workers::{self, Progress, Task};
use crate::process::{report_thread, threads};
use crate::qemu::command_line::plugins_of_file;
use crate::qemu::copies;
use crate::qemu::{Block, Emulation, Events, Qemu};
use crate::translate::Translator;
use crate::translate::mapped_files::MappingCalls;
#[cfg(target_os = "linux")]
use crate::{
    output::handover,
    process::{forks, kill, signals},
};

/// Far longer than a block takes to be translated.
const LONGEST_TRANSLATION: Duration = Duration::from_secs(5);

/// The run. Set once, by install, and never freed: QEMU may call back until the process is gone.
static SESSION: OnceLock<Session> = OnceLock::new();

thread_local! {
    /// What the system call that this thread is in may change in what is mapped.
    static PENDING_CHANGE: Cell<Option<MappingChange>> = const { Cell::new(None) };
}

struct Session {
    qemu: Qemu,
    options: Options,
    outlet: Outlet,
    simulator: &'static dyn Simulator,
    translator: Mutex<Translator>,
    /// The callbacks for code translated while a vCPU has its core for itself.
    private: CallbackSet,
    /// The callbacks for code translated when cores are shared.
    shared: CallbackSet,
    syscalls: Option<syscalls::Numbers>,
    reporter: Reporter,
    /// Whether the report has been written; locked while it is.
    reported: Mutex<bool>,
}

/// Installs the plugin; the status for QEMU.
pub fn install(qemu: Qemu, arguments: anyhow::Result<Vec<String>>) -> i32 {
    // Not what Rust does by default: the program may have a file of its own on number 2.
    panic::set_hook(Box::new(|information| output::complain(&information.to_string())));
    let installed = catch_unwind(AssertUnwindSafe(|| try_install(qemu, &arguments?)));
    let message = match installed {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "internal error while installing".to_owned(),
    };
    // Nothing but QEMU has run, so standard error is what it was.
    eprintln!("cache: {message}");
    1
}

fn try_install(qemu: Qemu, arguments: &[String]) -> anyhow::Result<()> {
    let (mode, vcpus) = qemu.guest();
    let text = match options::parse(arguments, &Host { mode, vcpus }, &read_options)? {
        Request::Run(options) => return start(qemu, *options),
        Request::Help => options::help_text(),
        Request::Presets => options::list_text(),
    };
    print!("{text}");
    // As `qemu -plugin help` would: there is nothing to run.
    std::process::exit(0);
}

/// The text of a file of options, if it is not too long for one: a device may never end.
fn read_options(path: &str) -> Result<String, String> {
    const MAX_BYTES: u64 = 1 << 20;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_BYTES => {
            Err("longer than 1 MiB; name a TOML file".to_owned())
        }
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

fn start(qemu: Qemu, options: Options) -> anyhow::Result<()> {
    if let Some(path) = copies::own_path()
        && plugins_of_file(qemu.emulation, &path) > 1
    {
        bail!(
            "-plugin {} is given twice, and QEMU makes one plugin of both; for a second run of libcache \
             load a copy of the file",
            path.display()
        );
    }
    let session = simulating(qemu, options)?;
    if SESSION.set(session).is_err() {
        bail!("this file is loaded already; load a copy of it under another name");
    }
    let session = SESSION.get().ok_or_else(|| anyhow!("no session"))?;
    report_thread::start(session)?;
    session.qemu.register::<Session>();
    #[cfg(target_os = "linux")]
    session.guard();
    Ok(())
}

/// A run whose model is made for what it has to do.
fn simulating(qemu: Qemu, options: Options) -> anyhow::Result<Session> {
    let config = &options.config;
    // Of both caches, if it is one.
    let (instructions, data) = (config.icache().policy, config.dcache().policy);
    let policy = (instructions == data).then_some(data);
    // Machines to compare with may need to know of an access what this one does not.
    if !config.is_first_level_only() || !options.compared.is_empty() {
        return if TimedPolicy::serves(config) {
            Session::new::<Hierarchy<TimedPolicy>>(qemu, options)
        } else {
            Session::new::<Hierarchy<AnyPolicy>>(qemu, options)
        };
    }
    match policy {
        Some(PolicyKind::Lru) => Session::new::<Core<Lru>>(qemu, options),
        Some(PolicyKind::Fifo) => Session::new::<Core<Fifo>>(qemu, options),
        Some(PolicyKind::Random) => Session::new::<Core<Random>>(qemu, options),
        _ => Session::new::<Core<AnyPolicy>>(qemu, options),
    }
}

impl Session {
    fn new<M: Locks>(qemu: Qemu, options: Options) -> anyhow::Result<Self> {
        let outlet = Outlet::new(&qemu, &options)?;
        let architecture = Architecture::of_target(&qemu.target);
        let guest = match qemu.emulation {
            Emulation::User => Guest::Program,
            Emulation::System { .. } => Guest::Machine,
        };
        let decoder = (architecture.decoder)(Emulator { guest, plugin_api: qemu.api });
        let syscalls = architecture.syscalls;
        let machines = options.machines();
        let has_64_byte_lines = machines.lines().data_line_bytes() == 1 << Lines64::SHIFT;
        let (private, shared) = if has_64_byte_lines {
            callbacks::<M, Lines64>(&qemu, &*decoder, &options)
        } else {
            callbacks::<M, AnyLines>(&qemu, &*decoder, &options)
        };
        expect_readable_stores()?;
        let cores_are_shared = match qemu.emulation {
            // Until a second thread starts, if there is notice of that.
            Emulation::User => !qemu.announces_threads(syscalls.as_ref()),
            Emulation::System { max_vcpus, .. } => options.config.cores().get() < max_vcpus,
        };
        let workers = workers::wanted(&options, qemu.emulation);
        // Where machines are compared, vCPUs record, as those of shared cores do.
        if cores_are_shared || !options.compared.is_empty() {
            DIRECTORY.expect_several();
        }
        let handover = if workers == 0 {
            Handover::Off
        } else {
            workers::set(Task { threads: workers, work, failed: no_worker });
            Handover::On { bytes: options.queue_bytes, announce: workers::announce }
        };
        let mapping_calls = match syscalls {
            Some(_) => MappingCalls::Known,
            None => MappingCalls::Unknown,
        };
        let translator = Translator::new(&qemu, decoder, &options, mapping_calls);
        let by_set = if options.needs_set_misses() { BySet::Counted } else { BySet::NotCounted };
        let reporter = Reporter::new(&qemu, &options)?;
        Ok(Self {
            simulator: Machine::<M>::start(machines, by_set, handover, &DIRECTORY),
            translator: Mutex::new(translator),
            qemu,
            options,
            outlet,
            private,
            shared,
            syscalls,
            reporter,
            reported: Mutex::new(false),
        })
    }

    fn translate(&self, block: Block<'_>) {
        let callbacks = if DIRECTORY.several_expected() { &self.shared } else { &self.private };
        self.translator.lock().translate(&self.qemu, block, callbacks);
    }

    /// Takes what has been counted: the report for `write_report`, then what else is asked for, for
    /// `write_file`.
    fn tell(
        &self,
        held: &Held,
        write_report: impl FnOnce(&str),
        write_file: impl Fn(FileOf, Contents<'_>),
    ) {
        if !self.options.needs_locations() {
            return write_report(&self.table());
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            self.reporter.report(&self.qemu, &self.reading(&self.translator.lock()))
        }));
        let Ok((report, files)) = made else {
            output::complain("internal error: only the table follows");
            return write_report(&self.table());
        };
        write_report(&report);
        for (file, _) in self.options.all_files() {
            write_file(file, &|out| files.write(file, out));
        }
        files.warn_of_sources();
        // The process may end when this returns.
        held.write_complaints();
    }

    /// What is said where several threads of a program ran on one core.
    fn shared_core(&self) -> Option<String> {
        let threads = self.reporter.threads();
        let is_shared = self.qemu.emulation == Emulation::User
            && threads > 1
            && self.options.config.cores().get() == 1;
        is_shared.then(|| {
            format!(
                "{threads} threads ran on one simulated core; cores={} gives each its own (false sharing \
                 is not modelled)",
                threads.min(MAX_CORES),
            )
        })
    }

    fn table(&self) -> String {
        let snapshots = self.reading(&self.translator.lock()).snapshots();
        table::render_all(&snapshots, &self.options)
    }

    fn reading<'a>(&'a self, translator: &'a Translator) -> Reading<'a> {
        Reading::now(&self.options, self.simulator, translator)
    }

    /// Writes the report, once. Whoever comes second waits until it is written: the process may end
    /// when this returns.
    fn report(&'static self) {
        if let Err(error) = report_thread::run(|held| self.report_on(held)) {
            threads::take_no_signals();
            output::complain(&format!("{error:#}: only the table follows"));
            let held = Held::new(self.outlet.streams());
            self.outlet.write(&self.qemu, &held, &self.table());
        }
    }

    /// The same on the report thread.
    fn report_on(&self, held: &Held) {
        let mut reported = self.reported.lock();
        if *reported {
            return;
        }
        // Where QEMU aborts, the thread that does may have it and wait for this.
        let Some(translator) = self.translator.try_lock_for(LONGEST_TRANSLATION) else {
            held.complain("QEMU ends amid a translation: there is no report");
            return;
        };
        let has_run = !translator.instructions().is_empty();
        drop(translator);
        if has_run {
            if let Some(notice) = self.shared_core() {
                held.complain(&notice);
            }
            self.tell(
                held,
                |report| {
                    // Not before: meanwhile a call of execve may succeed.
                    #[cfg(target_os = "linux")]
                    handover::cancel_all();
                    self.outlet.write(&self.qemu, held, report);
                },
                |file, contents| self.outlet.write_file(held, file, contents),
            );
        } else {
            // QEMU did not come as far as the guest. The last run's files stay as they are.
            held.complain("no instruction was executed, so there is no report");
        }
        *reported = true;
    }

    /// Has the report written if the execve that this thread is about to call succeeds, and it has not been
    /// written. It may not be until that is arranged, lest there be two.
    #[cfg(target_os = "linux")]
    fn report_if_program_is_replaced(&'static self) {
        let thread = handover::this_thread();
        let arranged = report_thread::run(move |held| {
            let reported = self.reported.lock();
            if *reported {
                return;
            }
            let outlet = &self.outlet;
            self.tell(
                held,
                |report| outlet.write_if_program_is_replaced(&self.qemu, held, thread, report),
                |file, contents| {
                    outlet.write_file_if_program_is_replaced(held, thread, file, contents);
                },
            );
        });
        if let Err(error) = arranged {
            output::complain(&format!("{error:#}: there is no report if execve succeeds"));
        }
    }

    /// The execve that this thread has called has failed.
    #[cfg(target_os = "linux")]
    fn program_is_not_replaced() {
        let thread = handover::this_thread();
        // Where there is no thread, there was none to leave anything with.
        let _ = report_thread::run(move |_| handover::cancel(thread));
    }

    /// Whether a system call replaces the program if it succeeds.
    fn replaces_program(&self, number: i64) -> bool {
        self.syscalls.is_some_and(|syscalls| syscalls.replaces_program(number))
    }

    /// Has the report written where QEMU tells a plugin nothing: signals, and what programs do.
    #[cfg(target_os = "linux")]
    fn guard(&self) {
        signals::begin(self.qemu.emulation);
        if self.qemu.emulation != Emulation::User {
            return;
        }
        if let Err(error) = forks::follow(every_lock, in_child) {
            output::complain(&format!("forks of programs with threads may not report: {error:#}"));
        }
        let report_death = || {
            with_session("death", Session::report);
            copies::report_others();
        };
        if let Err(error) = kill::before_death(report_death) {
            complain_of_signals(&error);
        }
    }
}

impl report_thread::Owner for Session {
    fn runs_program(&self) -> bool {
        self.qemu.emulation == Emulation::User
    }

    fn streams(&'static self) -> &'static Streams {
        self.outlet.streams()
    }

    fn before_death(&self, held: &Held) {
        with_session("death", |session| session.report_on(held));
        copies::report_others();
    }

    fn progress_interval(&self) -> Option<Duration> {
        self.options.progress
    }

    fn progress(&self) -> Option<CoreSnapshot> {
        let is_running = !*self.reported.lock();
        is_running.then(|| self.simulator.rough_sum())
    }
}

/// For another copy of this file in the same process: a signal is about to end it.
pub fn report_before_death() {
    with_session("death", Session::report);
}

#[cfg(target_os = "linux")]
fn complain_of_signals(error: &anyhow::Error) {
    output::complain(&format!("no report if a signal ends the program: {error:#}"));
}

/// Simulates what a vCPU has handed over.
fn work() -> Progress {
    let Some(session) = SESSION.get() else { return Progress::Idle };
    match catch_unwind(AssertUnwindSafe(|| session.simulator.work())) {
        Ok(true) => Progress::Done,
        Ok(false) => Progress::Idle,
        Err(_) => {
            session.simulator.pause_handover(None);
            output::complain("internal error in a worker: the guest's threads go on without it");
            Progress::Ended
        }
    }
}

/// There can be no worker.
fn no_worker(error: &anyhow::Error) {
    if let Some(session) = SESSION.get() {
        session.simulator.pause_handover(None);
    }
    output::complain(&format!("no worker ({error:#}): the guest's threads simulate themselves"));
}

/// In a child that the guest's program has forked.
#[cfg(target_os = "linux")]
fn in_child() {
    handover::forget_in_child();
    // It has the threads' counts, but none of the threads.
    if let Some(session) = SESSION.get() {
        session.reporter.forget_threads();
    }
    signals::pause_in_child();
    workers::forget_in_child();
    if let Some(session) = SESSION.get() {
        session.simulator.pause_handover(Some(workers::NOT_IN_CHILD_BEFORE));
    }
    match report_thread::start_in_child() {
        Ok(()) => signals::go_on_in_child(),
        Err(error) => complain_of_signals(&error),
    }
}

/// All locks of the run, in the order in which they are taken.
#[cfg(target_os = "linux")]
fn every_lock(act: &dyn Fn(&'static RawMutex)) {
    let Some(session) = SESSION.get() else { return };
    let [call, job, complaints] = report_thread::locks();
    act(call);
    // SAFETY: what is done to the locks is the caller's business.
    unsafe {
        act(session.reported.raw());
        act(session.translator.raw());
    }
    session.simulator.every_lock(act);
    act(handover::lock());
    act(job);
    act(complaints);
}

/// Whether every instruction that can change address translation is known, and accesses tell the
/// privilege they are made with, and no page is smaller than the page cache takes it to be.
fn page_cache_is_exact(qemu: &Qemu, decoder: &dyn Decoder) -> bool {
    let page_bytes = Architecture::of_target(&qemu.target).smallest_page_bytes;
    decoder.tells_translation_changes()
        && page_bytes >= 1 << PAGE_SHIFT
        && memory_info_is_readable()
}

/// The callbacks for cores of one vCPU each, and those for others.
fn callbacks<M: Locks, L: LineSize>(
    qemu: &Qemu,
    decoder: &dyn Decoder,
    options: &Options,
) -> (CallbackSet, CallbackSet) {
    match qemu.emulation {
        Emulation::User => {
            (set::<M, Alone, Virtual, L>(options), set::<M, Shared, Virtual, L>(options))
        }
        Emulation::System { max_vcpus, .. } if page_cache_is_exact(qemu, decoder) => {
            // The fifth bit came at API 5 at the earliest (10.2 has it, 10.0 not). Where it is none, it is
            // one of the access's size, which would only have accesses of different sizes translated apart.
            if qemu.api < 5 {
                system_callbacks::<M, CachedPhysical<4>, L>(max_vcpus, options)
            } else {
                system_callbacks::<M, CachedPhysical<5>, L>(max_vcpus, options)
            }
        }
        Emulation::System { max_vcpus, .. } => {
            system_callbacks::<M, Physical, L>(max_vcpus, options)
        }
    }
}

fn system_callbacks<M: Locks, A: Addressing, L: LineSize>(
    max_vcpus: u32,
    options: &Options,
) -> (CallbackSet, CallbackSet) {
    let private = if max_vcpus == 1 {
        set::<M, Alone, A, L>(options)
    } else {
        set::<M, Private, A, L>(options)
    };
    (private, set::<M, Shared, A, L>(options))
}

fn set<M: Locks, F: Finder, A: Addressing, L: LineSize>(options: &Options) -> CallbackSet {
    let straddle = options.config.straddle();
    match options.detail {
        Detail::Misses => CallbackSet::of::<Of<M, F, A, L, Plain>>(straddle),
        Detail::Full => CallbackSet::of::<Of<M, F, A, L, Full>>(straddle),
    }
}

/// Runs `event` for the session. A panic must not unwind into QEMU, nor end the guest.
fn with_session(what: &str, event: impl FnOnce(&'static Session)) {
    let Some(session) = SESSION.get() else { return };
    if catch_unwind(AssertUnwindSafe(|| event(session))).is_err() {
        output::complain(&format!("internal error in {what}: the report is not complete"));
    }
}

impl Events for Session {
    fn translated(block: Block<'_>) {
        with_session("translation", |session| session.translate(block));
    }

    fn made(vcpu_index: u32) {
        with_session("vCPU creation", |session| {
            vcpu_made_here();
            session.reporter.made(vcpu_index);
            if vcpu_index > 0 && session.qemu.emulation == Emulation::User {
                DIRECTORY.expect_several();
            }
        });
    }

    fn syscall(_: u32, number: i64, arguments: &[u64; 8]) {
        with_session("system call", |session| {
            if let Some(syscalls) = session.syscalls {
                if syscalls.may_start_thread(number, arguments) {
                    DIRECTORY.expect_several();
                }
                if session.options.needs_locations()
                    && let Some(change) = syscalls.mapping_change(number, arguments)
                {
                    session.translator.lock().mappings_may_change(change);
                    PENDING_CHANGE.set(Some(change));
                }
            }
            #[cfg(target_os = "linux")]
            if session.replaces_program(number) {
                session.report_if_program_is_replaced();
            }
        });
    }

    fn syscall_returned(number: i64) {
        #[cfg(target_os = "linux")]
        with_session("system call", |session| {
            if session.replaces_program(number) {
                Session::program_is_not_replaced();
            }
            if session.syscalls.is_some_and(|syscalls| syscalls.sets_signal_action(number)) {
                signals::catch_defaults();
            }
            // Another thread may have looked at what was mapped before it changed.
            if let Some(change) = PENDING_CHANGE.take() {
                session.translator.lock().mappings_may_change(change);
            }
        });
    }

    fn flushed() {
        // A snapshot was loaded, or memory was changed by a debugger.
        SHARED_GENERATION.raise();
    }

    fn resumed(vcpu_index: u32) {
        // A reset, a debugger or a loaded snapshot may have changed the registers meanwhile.
        with_session("vCPU resumption", |session| {
            // SAFETY: this is a callback of that vCPU.
            unsafe { session.simulator.translations_changed(vcpu_index) };
        });
    }

    fn gone(vcpu_index: u32) {
        // SAFETY: QEMU calls this on the thread of that vCPU when it ends, or in system mode when it has ended.
        with_session("vCPU exit", |session| unsafe { session.simulator.retire(vcpu_index) });
    }

    fn ending() {
        with_session("exit", Session::report);
    }
}
