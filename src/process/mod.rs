//! What happens to the process: signals, forks, calls of execve, and the threads of ours in it.

#[cfg(target_os = "linux")]
pub mod forks;
#[cfg(target_os = "linux")]
pub mod kill;
pub mod report_thread;
#[cfg(target_os = "linux")]
pub mod signals;
pub mod syscalls;
pub mod threads;
pub mod workers;
