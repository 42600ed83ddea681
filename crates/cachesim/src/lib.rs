//! The cache model of libcache: pure computation. This crate does not know QEMU, reads no options, does no
//! input or output, reads no clock, draws no unseeded randomness and has no unsafe code.
#![forbid(unsafe_code)]

pub mod address;
pub mod buffer;
pub mod cache;
pub mod config;
pub mod core;
pub mod escape;
pub mod filter;
pub mod geometry;
pub mod hierarchy;
pub mod instructions;
pub mod machines;
pub mod model;
pub mod pages;
pub mod policy;
pub mod profile;
pub mod stats;
pub mod sync;
