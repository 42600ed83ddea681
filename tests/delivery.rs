//! Where reports arrive, whatever a guest does to its descriptors, its rights, its limits or itself: whole,
//! once, where they were asked for, and nowhere else. README's "What happens when…" has a row for each.
//!
//! The guest is `guests/wanderer.c`, which takes things away step by step.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::artifacts::{Mode, Qemu, plugin, qemus};
use common::launch::{End, Ended, Launch, Tally, check, kill};
use common::report::{Report, only_report, report_count, reports};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// What `wanderer` writes to files of its own.
const OWN: &str = "the guest's own\n";

const OK: &str = "wanderer: ok\n";

/// A guest that takes these steps, words with blanks between them, under the plugin.
fn wanderer(qemu: &Qemu, options: &str, steps: &str) -> Launch {
    let steps: Vec<_> = steps.split_whitespace().collect();
    Launch::user(qemu, options, "wanderer", &steps)
}

/// The file `name` of a run's directory.
fn file(ended: &Ended, name: &str) -> Result<String, String> {
    let text = fs::read_to_string(ended.directory.path().join(name));
    text.map_err(|error| format!("{name}: {error}\n{}", ended.describe()))
}

fn own_file(ended: &Ended, name: &str) -> Result<(), String> {
    let text = file(ended, name)?;
    check(text == OWN, || format!("{name} is not the guest's any more:\n{text}"))
}

/// For each QEMU that has programs.
fn each_user(what: &str, rounds: usize, round: impl Fn(&Qemu) -> Result<(), String>) {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}, {what}", qemu.version()), rounds, || round(&qemu));
    }
    tally.finish();
}

/// For each QEMU that has machines.
fn each_system(what: &str, round: impl Fn(&Qemu) -> Result<(), String>) {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::System) {
        tally.rounds(&format!("QEMU {}, {what}", qemu.version()), 1, || round(&qemu));
    }
    tally.finish();
}

/// What needs root fails without, unless `LIBCACHE_WITHOUT=root` says that it need not be tested.
fn has_root() -> bool {
    let without = std::env::var("LIBCACHE_WITHOUT").is_ok_and(|what| what == "root");
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t0\t"));
    assert!(is_root || without, "needs root; LIBCACHE_WITHOUT=root leaves this out");
    is_root
}

// The log.

#[test]
fn a_log_that_is_standard_error_does_not_end_up_in_the_guests_data() {
    for steps in ["close 2 open data.bin", "replace 2 data.bin", "closefrom 2 open data.bin"] {
        each_user(steps, 2, |qemu| {
            let ended = wanderer(qemu, "limit=2", steps).log("plugin", None).finish();
            own_file(&ended, "data.bin")?;
            ended.one_report(End::Status(0), OK).map(drop)
        });
    }
    each_user("QEMU_LOG", 2, |qemu| {
        let launch = wanderer(qemu, "limit=2", "close 2 open data.bin");
        let ended = launch.shell(r#"export QEMU_LOG=plugin; exec "$@""#).finish();
        own_file(&ended, "data.bin")?;
        ended.one_report(End::Status(0), OK).map(drop)
    });
}

#[test]
fn a_logs_number_that_the_guest_has_taken_is_the_guests() {
    for steps in ["closefrom 3 open data.bin", "fork closefrom 0 open data.bin"] {
        each_user(steps, 2, |qemu| {
            let ended = wanderer(qemu, "limit=2", steps).log("plugin", Some("log")).finish();
            own_file(&ended, "data.bin")?;
            check(ended.stderr.is_empty(), || ended.describe())?;
            let processes = 1 + steps.matches("fork").count();
            check(reports(&file(&ended, "log")?)?.len() == processes, || ended.describe())
        });
    }
}

#[test]
fn reports_of_children_do_not_write_over_each_other_in_a_log() {
    for (steps, name) in [
        ("fork execute /bin/true", "log"),
        ("fork fork fork execute /bin/true", "log"),
        ("fork fork fork", "log"),
        ("fork fork execute /bin/true", "log-%d"),
    ] {
        each_user(&format!("{steps}, {name}"), 5, |qemu| {
            let ended = wanderer(qemu, "limit=2", steps).log("plugin", Some(name)).finish();
            check(ended.stderr.is_empty(), || ended.describe())?;
            let logs = fs::read_dir(ended.directory.path()).map_err(|error| error.to_string())?;
            let logs: Vec<_> = logs.flatten().map(|entry| entry.path()).collect();
            check(logs.len() == 1, || format!("{logs:?}"))?;
            let text = fs::read_to_string(&logs[0]).map_err(|error| error.to_string())?;
            named_apart(&text, 1 + steps.matches("fork").count())
        });
    }
}

/// That `text` has so many reports, each of a process of its own that is named.
fn named_apart(text: &str, number: usize) -> Result<(), String> {
    let mut processes: Vec<_> = reports(text)?.into_iter().map(|(process, _)| process).collect();
    processes.sort_unstable();
    processes.dedup();
    check(processes.len() == number && !processes.contains(&None), || {
        format!("{number} processes, but {processes:?}:\n{text}")
    })
}

// Standard error.

#[test]
fn a_program_that_closes_every_descriptor_reports_where_it_should() {
    for (to, shell) in [
        ("a pipe", r#"exec "$@""#),
        ("a file", r#"exec "$@" 2>err"#),
        ("a file that others write to", r#"exec 2>err; "$@"; code=$?; echo last >&2; exit $code"#),
    ] {
        for steps in ["closefrom 0", "closefrom 3", "fork closefrom 0", "detach detach closefrom 0"]
        {
            each_user(&format!("{steps}, {to}"), 3, |qemu| {
                let ended = wanderer(qemu, "limit=2", steps).shell(shell).finish();
                End::Status(0).check(ended.status).map_err(|_| ended.describe())?;
                let number = 1 + steps.matches("fork").count() + steps.matches("detach").count();
                let mut text = ended.stderr.clone();
                if to != "a pipe" {
                    // Nobody waits for a daemon's end.
                    text = settled(|| file(&ended, "err"), |text| report_count(text) == number)?;
                }
                let text = if to.ends_with("write to") {
                    let rest = text.replacen("last\n", "", 1);
                    check(rest != text, || format!("another's line is lost:\n{text}"))?;
                    rest
                } else {
                    text
                };
                let found = reports(&text).map_err(|problem| format!("{problem}\n{text}"))?;
                check(found.len() == number, || format!("{} of {number}:\n{text}", found.len()))
            });
        }
    }
}

/// What `read` returns once it is what it should be.
fn settled(
    read: impl Fn() -> Result<String, String>,
    is_it: impl Fn(&str) -> bool,
) -> Result<String, String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = read();
        if Instant::now() > deadline || text.as_ref().is_ok_and(|text| is_it(text)) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_stream_that_does_not_block_and_is_read_slowly_gets_all() {
    for steps in ["nonblock 2", "nonblock 2 execute /bin/true"] {
        each_user(steps, 1, |qemu| {
            let launch = wanderer(qemu, "limit=2,json=/dev/stderr", steps);
            // The reader begins when the pipe has long been full.
            let shell = r#""$@" 2>&1 >/dev/null | (sleep 1; cat >err)"#;
            let ended = launch.shell(shell).finish();
            let text = file(&ended, "err")?;
            check(text.len() > 100_000, || format!("only {} bytes", text.len()))?;
            // At execve two processes wait with them.
            let (begin, end) = (text.find("{\n"), text.rfind("}\n").map(|end| end + 2));
            let (Some(begin), Some(end)) = (begin, end) else { return Err(ended.describe()) };
            let json: Result<serde_json::Value, _> = serde_json::from_str(&text[begin..end]);
            json.map_err(|error| error.to_string())?;
            only_report(&(text[..begin].to_owned() + &text[end..])).map(drop)
        });
    }
}

#[test]
fn whoever_reads_a_daemons_standard_error_does_not_wait_for_it() {
    for (options, steps) in [
        ("limit=2", "daemon sleep 8000"),
        ("limit=2", "detach null 0 null 1 null 2 sleep 8000"),
        ("limit=2", "detach detach closefrom 0 sleep 8000"),
        ("limit=2,out=report-%p.txt", "daemon sleep 8000"),
        ("limit=2,progress=1", "daemon sleep 8000"),
    ] {
        each_user(&format!("{options}, {steps}"), 1, |qemu| {
            let launch = wanderer(qemu, options, steps).shell(r#""$@" 2>&1 | cat"#);
            let begin = Instant::now();
            launch.finish();
            check(begin.elapsed() < Duration::from_secs(6), || "waited for the daemon".to_owned())
        });
    }
    // Without a fork: the shell does not wait for QEMU, only for who writes to the pipe.
    each_user("no fork", 1, |qemu| {
        let launch = wanderer(qemu, "limit=2", "null 0 null 1 null 2 sleep 8000");
        let begin = Instant::now();
        launch.shell(r#"("$@" 2>&1 &) | cat"#).finish();
        check(begin.elapsed() < Duration::from_secs(6), || "waited for the program".to_owned())
    });
}

#[test]
fn a_stream_that_the_program_has_elsewhere_is_found_again() {
    // What is kept is let go after a while, and descriptor 9 is still there.
    each_user("saved", 1, |qemu| {
        let steps = "save 2 9 null 2 sleep 600";
        wanderer(qemu, "limit=2", steps).finish().one_report(End::Status(0), OK).map(drop)
    });
    each_user("in a parent", 1, |qemu| {
        let steps = "fork null 2 sleep 600";
        let ended = wanderer(qemu, "limit=2", steps).finish();
        named_apart(&ended.stderr, 2)
    });
}

#[test]
fn reports_of_several_processes_at_once_are_each_in_one_piece() {
    each_user("a pipe that is read slowly", 3, |qemu| {
        let launch = wanderer(qemu, "limit=1000000", "fork fork fork fork");
        let ended = launch.shell(
            r#"{ "$@" & "$@" & "$@" & wait; } 2>&1 >/dev/null |
            (while IFS= read -r line; do printf '%s\n' "$line"; done >err)"#,
        );
        let ended = ended.finish();
        let found = reports(&file(&ended, "err")?)?;
        check(found.len() == 15, || format!("{} of 15", found.len()))
    });
}

#[test]
fn the_json_of_a_hyphen_is_standard_output() {
    each_user("json=-", 2, |qemu| {
        let ended = wanderer(qemu, "limit=2,json=-", "print x").finish();
        only_report(&ended.stderr)?;
        let json =
            ended.stdout.strip_prefix(&format!("x\n{OK}")).ok_or_else(|| ended.describe())?;
        let json: Result<serde_json::Value, _> = serde_json::from_str(json);
        json.map_err(|error| error.to_string())?;
        check(!ended.directory.path().join("-").exists(), || "a file called -".to_owned())
    });
}

#[test]
fn a_file_that_the_program_only_reads_from_is_not_written() {
    for shell in [r#"echo precious >ro; exec "$@" 2<ro"#, r#"echo precious >ro; exec "$@" 1<ro"#] {
        each_user(shell, 1, |qemu| {
            let options = if shell.ends_with("2<ro") { "limit=2" } else { "limit=2,json=-" };
            let ended = wanderer(qemu, options, "print x").shell(shell).finish();
            check(file(&ended, "ro")? == "precious\n", || ended.describe())
        });
    }
}

// Ends.

#[test]
fn a_second_signal_amid_the_report_does_not_cut_it() {
    const SIGINT: i32 = 2;
    for signal in [SIGTERM, SIGINT] {
        each_user(&format!("signal {signal}"), 2, |qemu| {
            let options = "limit=2,json=/dev/stderr";
            let launch = Launch::user(qemu, options, "spin", &["default", "3"]);
            // The pipe is full when the second signal comes.
            let shell = r#"exec 2> >(sleep 1; cat >err; touch done); exec "$@""#;
            let ended = launch.shell(shell).when_ready(|pid, _, _| {
                for _ in 0..2 {
                    kill(signal, &pid.to_string());
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
            End::Signal(signal).check(ended.status).map_err(|_| ended.describe())?;
            settled(|| file(&ended, "done"), |_| true)?;
            let text = file(&ended, "err")?;
            let json = text.find("{\n").map(|begin| &text[begin..]).ok_or_else(|| text.clone())?;
            let json: Result<serde_json::Value, _> = serde_json::from_str(json);
            json.map(drop).map_err(|error| format!("{error}, {} bytes", text.len()))
        });
    }
}

/// Signals that the C library does not let a program handle.
const OF_THE_LIBRARY: [i32; 2] = [32, 33];

/// SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU, which do not end a program.
const STOPS: [i32; 4] = [19, 20, 21, 22];

/// That a run ends by each signal as it does without the plugin, and reports, but where nobody can.
fn every_signal(run: impl Fn(Launch, i32) -> Ended, is_lost: impl Fn(i32) -> bool) {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for signal in (1..=64).filter(|signal| !STOPS.contains(signal)) {
            tally.rounds(&format!("QEMU {}, signal {signal}", qemu.version()), 1, || {
                let launch =
                    || Launch::plain(&qemu, "qemu-riscv64").shell(r#"ulimit -c 0; exec "$@""#);
                let plain = run(launch(), signal);
                let ended = run(launch().load(plugin(), "limit=2,out=report.txt"), signal);
                check(ended.status.into_raw() == plain.status.into_raw(), || {
                    format!("{} in place of {}", ended.status, plain.status)
                })?;
                if ended.status.signal().is_some() && is_lost(signal) {
                    return Ok(());
                }
                check(ended.stderr == plain.stderr, || ended.describe())?;
                Report::parse(&file(&ended, "report.txt")?).map(drop)
            });
        }
    }
    tally.finish();
}

#[test]
fn a_program_that_sends_itself_any_signal_reports_and_ends_as_ever() {
    let run = |launch: Launch, signal: i32| {
        launch.guest("wanderer", &["raise", &signal.to_string()]).finish()
    };
    every_signal(run, |signal| signal == SIGKILL);
}

#[test]
fn a_program_that_is_sent_any_signal_reports_and_ends_as_ever() {
    // It ends by itself where it survives.
    let run = |launch: Launch, signal: i32| {
        launch.guest("wanderer", &["print", "ready", "sleep", "1000"]).signalled(signal)
    };
    every_signal(run, |signal| signal == SIGKILL || OF_THE_LIBRARY.contains(&signal));
}

#[test]
fn limits_of_time_and_size_end_a_program_with_a_report() {
    each_user("cpu", 1, |qemu| {
        let ended = wanderer(qemu, "limit=2", "limit cpu 1 spin").finish();
        ended.one_report(End::Signal(SIGXCPU), "").map(drop)
    });
    each_user("fsize", 1, |qemu| {
        let ended = wanderer(qemu, "limit=2", "limit fsize 65536 grow big").finish();
        ended.one_report(End::Signal(SIGXFSZ), "").map(drop)
    });
}

#[test]
fn a_limit_of_the_size_of_files_is_one_of_ours_too_and_is_told() {
    each_user("fsize", 1, |qemu| {
        let steps = "limit fsize 4096";
        let launch = wanderer(qemu, "limit=2,json=file.json", steps);
        fs::write(launch.directory.path().join("file.json"), "old\n").expect("a file");
        let ended = launch.finish();
        ended.ends(End::Status(0), OK)?;
        check(file(&ended, "file.json")? == "old\n", || "half a file".to_owned())?;
        let message = "cache: json=";
        let line = ended.stderr.lines().find(|line| line.starts_with(message));
        check(line.is_some_and(|line| line.contains("File too large")), || ended.describe())?;
        let rest: Vec<_> = ended.stderr.lines().filter(|line| !line.starts_with(message)).collect();
        only_report(&(rest.join("\n") + "\n")).map(drop)
    });
}

#[test]
fn a_program_without_descriptors_left_reports() {
    for steps in
        ["exhaust", "unshare exhaust", "limit nofile 3", "limit nofile 1", "limit nofile 0"]
    {
        each_user(steps, 2, |qemu| {
            let ended = wanderer(qemu, "limit=2", steps).finish();
            ended.one_report(End::Status(0), OK).map(drop)
        });
    }
    for steps in ["exhaust", "limit nofile 3", "limit nofile 1"] {
        each_user(&format!("{steps}, files"), 2, |qemu| {
            let options = "limit=2,by=function,out=report.txt,json=file.json";
            let ended = wanderer(qemu, options, steps).finish();
            ended.ends(End::Status(0), OK)?;
            check(ended.stderr.is_empty(), || ended.describe())?;
            check(report_count(&file(&ended, "report.txt")?) == 1, || ended.describe())?;
            let json: Result<serde_json::Value, _> =
                serde_json::from_str(&file(&ended, "file.json")?);
            json.map(drop).map_err(|error| error.to_string())
        });
    }
}

#[test]
fn another_root_another_user_and_another_directory_do_not_take_files_along() {
    if !has_root() {
        return;
    }
    for steps in
        ["chroot jail", "setuid 65534", "chroot jail setuid 65534", "chdir jail", "unshare"]
    {
        each_user(steps, 2, |qemu| {
            let options = "limit=1000,by=function,out=report.txt,json=file.json,html=page.html";
            let launch = wanderer(qemu, options, steps);
            fs::create_dir(launch.directory.path().join("jail")).expect("a directory");
            let ended = launch.finish();
            ended.ends(End::Status(0), OK)?;
            check(ended.stderr.is_empty(), || ended.describe())?;
            // With the names of the program's functions, whose file is beyond the new root.
            check(file(&ended, "report.txt")?.contains("  main\n"), || ended.describe())?;
            file(&ended, "file.json")?;
            file(&ended, "page.html").map(drop)
        });
    }
}

#[test]
fn a_disk_that_is_full_keeps_the_last_file_and_the_report_follows() {
    if !has_root() {
        return;
    }
    each_user("tmpfs", 1, |qemu| {
        let options = "limit=2,out=small/report.txt,json=small/file.json";
        let launch = wanderer(qemu, options, "print x");
        fs::create_dir(launch.directory.path().join("small")).expect("a directory");
        let shell = r#"exec unshare -m bash -c 'mount -t tmpfs -o size=16k none small
            echo old >small/file.json; echo old >small/report.txt
            head -c 100000 /dev/zero >small/rest 2>/dev/null
            "$@"; code=$?; cat small/file.json small/report.txt; ls -A small; exit $code' bash "$@""#;
        let ended = launch.shell(shell).finish();
        let printed = format!("x\n{OK}old\nold\nfile.json\nreport.txt\nrest\n");
        ended.ends(End::Status(0), &printed)?;
        let is_line = |line: &&str| line.starts_with("cache: ");
        let lines: Vec<_> = ended.stderr.lines().filter(is_line).collect();
        let full = |line: &&str| line.contains("No space left on device");
        check(lines.len() == 2 && lines.iter().all(full), || ended.describe())?;
        let rest: Vec<_> = ended.stderr.lines().filter(|line| !is_line(line)).collect();
        only_report(&(rest.join("\n") + "\n")).map(drop)
    });
}

// Starts.

#[test]
fn a_start_that_fails_leaves_the_last_runs_files_alone() {
    let kept = |launch: Launch| {
        for name in ["report.txt", "file.json"] {
            fs::write(launch.directory.path().join(name), "old\n").expect("a file");
        }
        let ended = launch.finish();
        check(!ended.status.success(), || ended.describe())?;
        check(report_count(&ended.stderr) == 0, || ended.describe())?;
        check(file(&ended, "report.txt")? == "old\n", || ended.describe())?;
        check(file(&ended, "file.json")? == "old\n", || ended.describe())
    };
    let options = "out=report.txt,json=file.json";
    each_user("a program for another processor", 1, |qemu| {
        kept(Launch::plain(qemu, "qemu-riscv64").load(plugin(), options).args(&["/bin/true"]))
    });
    each_user("no program", 1, |qemu| {
        kept(Launch::plain(qemu, "qemu-riscv64").load(plugin(), options).args(&["/no/program"]))
    });
    each_system("no kernel", |qemu| {
        let launch = Launch::plain(qemu, "qemu-system-riscv64").load(plugin(), options);
        kept(launch.args(&["-M", "virt", "-nographic", "-bios", "none", "-kernel", "/no/kernel"]))
    });
}

#[test]
fn one_file_that_is_loaded_twice_is_refused() {
    each_user("twice", 1, |qemu| {
        let launch = Launch::plain(qemu, "qemu-riscv64").load(plugin(), "limit=2");
        let ended = launch.load(plugin(), "limit=3").guest("wanderer", &[]).finish();
        check(ended.status.code() == Some(1), || ended.describe())?;
        check(ended.stderr.contains("is given twice"), || ended.describe())
    });
}

#[test]
fn two_copies_of_the_file_both_report_whatever_ends_the_program() {
    for (steps, end) in [
        ("print x", End::Status(0)),
        ("print ready spin", End::Signal(SIGTERM)),
        ("raise 6", End::Signal(SIGABRT)),
        ("raise 24", End::Signal(SIGXCPU)),
    ] {
        each_user(steps, 2, |qemu| {
            let steps: Vec<_> = steps.split_whitespace().collect();
            let launch = Launch::plain(qemu, "qemu-riscv64").load(plugin(), "limit=2");
            let copy = launch.directory.path().join("copy.so");
            fs::copy(plugin(), &copy).expect("a copy");
            let launch = launch.load(&copy, "limit=2").guest("wanderer", &steps);
            let ended =
                if steps.contains(&"ready") { launch.signalled(SIGTERM) } else { launch.finish() };
            end.check(ended.status).map_err(|_| ended.describe())?;
            check(reports(&ended.stderr)?.len() == 2, || ended.describe())
        });
    }
}

// Machines.

#[test]
fn a_machine_that_becomes_a_daemon_is_told_that_standard_error_will_be_gone() {
    each_system("-daemonize", |qemu| {
        let ended = Launch::daemon(qemu, "limit=2").finish();
        check(ended.status.code() == Some(1), || ended.describe())?;
        check(ended.stderr.starts_with("cache: -daemonize: "), || ended.describe())?;
        let ended = Launch::daemon(qemu, "out=-").finish();
        check(ended.status.code() == Some(1), || ended.describe())
    });
}

#[test]
fn whoever_starts_a_machine_as_a_daemon_does_not_wait_for_it() {
    for (options, log) in [("limit=2,out=report.txt", None), ("limit=2", Some("log"))] {
        each_system(options, |qemu| {
            let launch = Launch::daemon(qemu, options);
            let launch = if log.is_some() { launch.log("plugin", log) } else { launch };
            // It runs for a moment before it is ended. Were it waited for, nobody would end it.
            let shell = r#""$@" 2>&1 | cat; sleep 0.5; kill "$(cat pid)""#;
            let ended = launch.shell(shell).finish();
            End::Status(0).check(ended.status).map_err(|_| ended.describe())?;
            let name = log.unwrap_or("report.txt");
            let text = settled(|| file(&ended, name), |text| report_count(text) == 1)?;
            check(report_count(&text) == 1, || format!("{text}\n{}", ended.describe()))
        });
    }
}

#[test]
fn a_machine_that_is_sent_a_signal_reports_and_ends_as_ever() {
    const SIGALRM: i32 = 14;
    let mut tally = Tally::default();
    for qemu in qemus(Mode::System) {
        // SIGQUIT, SIGABRT, SIGUSR2, SIGXCPU, SIGSYS, one of the real-time signals; QEMU drops SIGALRM.
        for signal in [3, SIGABRT, 12, SIGALRM, SIGXCPU, 31, 40] {
            tally.rounds(&format!("QEMU {}, signal {signal}", qemu.version()), 1, || {
                let launch = Launch::forever(&qemu, "limit=2,out=report.txt", 1);
                let ended = launch.shell(r#"ulimit -c 0; exec "$@""#).when_ready(|pid, _, _| {
                    kill(signal, &pid.to_string());
                    if signal == SIGALRM {
                        std::thread::sleep(Duration::from_millis(500));
                        kill(SIGTERM, &pid.to_string());
                    }
                });
                let end = if signal == SIGALRM { End::Status(0) } else { End::Signal(signal) };
                end.check(ended.status).map_err(|_| ended.describe())?;
                Report::parse(&file(&ended, "report.txt")?).map(drop)
            });
        }
    }
    tally.finish();
}
