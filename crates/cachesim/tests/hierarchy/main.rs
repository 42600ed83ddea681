//! Hierarchies: against a naive model of a whole machine, against rules that hold whatever the policies,
//! and with cores on threads of their own.

mod any;
mod compared;
mod filtered;
#[path = "../common/geometry.rs"]
mod geometry;
mod naive;
mod rules;
mod threads;
mod timed;
