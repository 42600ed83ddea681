//! The files that options name, as far as one look tells that the plugin will refuse them: it can only end QEMU,
//! which then adds a line and a status of its own.

use crate::failure::{Failure, Status};
use options::{Options, Output, PathTemplate};
use std::io::ErrorKind;
use std::path::Path;

/// Refuses files that cannot be read, and such as cannot be written.
pub fn check(options: &Options) -> Result<(), Failure> {
    for image in &options.images {
        let why = match Path::new(&image.path).metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => "no such file".to_owned(),
            Err(error) => error.to_string(),
            Ok(file) if !file.is_file() => "not a file; name an ELF file".to_owned(),
            Ok(_) => continue,
        };
        return Err(refusal("elf", &image.path, &why));
    }
    if let Output::File(template) = &options.output {
        check_output("out", template)?;
    }
    let mut files = options.all_files();
    files.try_for_each(|(file, template)| check_output(file.format.name(), template))
}

fn check_output(option: &str, template: &PathTemplate) -> Result<(), Failure> {
    let path = template.resolve(std::process::id());
    let refuse = |why| Err(refusal(option, &template.to_string(), why));
    if path.is_dir() {
        return refuse("a directory; name a file");
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
            refuse("its directory does not exist")
        }
        _ => Ok(()),
    }
}

fn refusal(option: &str, value: &str, why: &str) -> Failure {
    Failure::new(Status::Usage, format!("{option}={value}: {why}"))
}
