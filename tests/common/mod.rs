//! What the end-to-end tests share: real QEMUs, the built plugin, its report taken apart.
//!
//! The environment says what is tested:
//! - `LIBCACHE_QEMUS`: the QEMUs, versions of `scripts/qemu.sh --list` with blanks between them. Each
//!   test runs on every one of them that has the mode it needs, and fails if none has.
//! - `LIBCACHE_PLUGIN`: the plugin's file. Without it, it is built.
//!
//! QEMUs, reference plugins, kernels and guest programs come from the project's scripts, which make
//! what is missing; a script that cannot fails the test with its message.

#![allow(dead_code, reason = "every test binary uses a part of this")]

pub mod artifacts;
pub mod differential;
pub mod launch;
pub mod process;
pub mod profile;
pub mod report;
pub mod tools;
