//! `libcache sweep`: many runs, told by a plan, done by Snakemake, told of side by side.
//!
//! - [`plan`]: what is to be run.
//! - [`workflow`]: the plan as a workflow of Snakemake. That knows local cores, Slurm, Kubernetes and others,
//!   what is done already, and what has to be done again since a program or the plan changed.
//! - [`results`]: the reports of the runs as one table and one page.
#![forbid(unsafe_code)]

pub mod plan;
pub mod results;
pub mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::results::Results;
use crate::workflow::{Done, Engine, Place};

/// Run programs on inputs, machines and options, with Snakemake
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A plan:

  [programs.sort]
  command = \"./sort {input}\"
  [inputs]
  small = \"small.txt\"
  large = \"large.txt\"
  [machines]
  zen3 = { cpu = \"zen3\" }
  tiny = { dcachesize = \"4K\", dassoc = 2, dblksize = 64 }
  [options]
  lru = {}
  random = { evict = \"rand\" }

The results are beside it, in PLAN.sweep/: runs/ has a JSON report of each run,
results.csv all numbers, results.html the page. What is done is not done again,
unless the program, its input or its options have changed.

Exit status: 1 if a run failed; 2: a wrong use, or no Snakemake.")]
pub struct SweepArgs {
    /// The plan
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,

    /// How many runs there may be at once [default: one for each core of this machine]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,

    /// Snakemake's executor, such as slurm; its plugin has to be installed
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,

    /// Snakemake's profile: a directory with its options
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Tell what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// The directory of the results [default: PLAN.sweep beside the plan]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,

    /// The libcache that the jobs run [default: this one]
    #[arg(long, value_name = "FILE")]
    libcache: Option<PathBuf>,

    /// Further options of Snakemake
    #[arg(last = true, value_name = "SNAKEMAKE OPTIONS")]
    snakemake: Vec<String>,
}

impl SweepArgs {
    /// Does what was asked for; fails with status 1 if a run failed.
    ///
    /// # Errors
    /// In one line, where the plan is none, Snakemake is not there or a file cannot be written.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        let plan = plan::read(&self.plan)?;
        let jobs = plan.jobs()?;
        let place = Place::new(&self.plan, self.results.as_deref())?;
        let engine = Engine {
            libcache: match &self.libcache {
                Some(libcache) => std::path::absolute(libcache)?,
                None => std::env::current_exe().context("cannot find this program")?,
            },
            args: self.snakemake_args(),
        };
        workflow::check_version()?;
        let lock = workflow::lock(&place)?;
        workflow::write(&plan, &jobs, &place, &engine)?;
        let done = workflow::run(&place, &engine, lock)?;
        if self.dry_run {
            return Ok(if done == Done::All { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let results = Results::read(&jobs, &place);
        results.write(&place)?;
        saved::output::tell(format_args!("{}", results.summary(&place)));
        let is_whole = results.missing.is_empty() && done == Done::All;
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn snakemake_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        let mut add = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
        match (self.jobs, &self.executor, &self.profile) {
            (Some(jobs), None, None) => add("--cores", &jobs.to_string()),
            (Some(jobs), ..) => add("--jobs", &jobs.to_string()),
            (None, None, None) => add("--cores", "all"),
            // A profile says how many.
            (None, _, Some(_)) => {}
            (None, Some(_), None) => add("--jobs", "unlimited"),
        }
        if let Some(executor) = &self.executor {
            add("--executor", executor);
        }
        if let Some(profile) = &self.profile {
            add("--profile", profile);
        }
        if self.dry_run {
            args.push("--dry-run".to_owned());
        } else {
            // How far it is, and what fails; not every command.
            args.extend(["--quiet", "rules", "reason", "host"].map(str::to_owned));
        }
        args.extend_from_slice(&self.snakemake);
        args
    }
}
