//! What kernels say is mapped, as it is and damaged.

mod common;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use symbols::maps::{Answers, Region, parse};

/// As Linux 6.18 wrote it for a process that had mapped files of strange names.
const MAPS: &[u8] = include_bytes!("corpus/maps-6.18-x86_64.txt");

/// A process that is gone.
struct Gone;

impl Answers for Gone {
    fn exact_name(&self, _: &Region<'_>) -> Option<PathBuf> {
        None
    }

    fn inode_at(&self, _: &Path) -> Option<u64> {
        None
    }
}

/// As the kernel writes it (`show_map_vma`): the name is in column 74, or behind what is longer.
fn written(region: &Region) -> Vec<u8> {
    let Region { start, end, file_offset, inode, name } = region;
    let mut line = format!("{start:08x}-{end:08x} r-xp {file_offset:08x} fe:00 {inode} ");
    if !name.is_empty() {
        line = format!("{line:<73}");
    }
    [line.as_bytes(), name].concat()
}

#[test]
fn all_that_a_kernel_says_is_read() {
    let lines: Vec<_> = MAPS.split_inclusive(|byte| *byte == b'\n').collect();
    let regions: Vec<_> = parse(MAPS).collect();
    assert_eq!(regions.len(), lines.len());
    for (region, line) in regions.iter().zip(lines) {
        let line = line.strip_suffix(b"\n").unwrap();
        let text = String::from_utf8_lossy(line);
        // Permissions and devices are not kept.
        let kept = |line: &[u8]| -> Vec<Vec<u8>> {
            let mut fields: Vec<_> =
                line.splitn(6, |byte| *byte == b' ').map(<[u8]>::to_owned).collect();
            fields.remove(3);
            fields.remove(1);
            fields
        };
        assert_eq!(kept(&written(region)), kept(line), "{text}");
    }
    let files: Vec<_> = regions.iter().filter_map(|region| region.file(&Gone)).collect();
    assert_eq!(files.iter().filter(|file| file.path.starts_with("/tmp/w")).count(), 10);
    assert!(!files.iter().any(|file| file.path.starts_with("/dev")));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: common::cases(2000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_region_is_read_as_it_was_written(
        numbers: [u64; 4], name in "[a-z/\\[\\]. \\\\]{0,100}|/[^\n]{0,60}",
    ) {
        let [start, end, file_offset, inode] = numbers;
        // Blanks in front are the column's.
        let name = name.trim_start().as_bytes();
        let region = Region { start, end, file_offset, inode, name };
        let line = written(&region);
        prop_assert_eq!(parse(&line).collect::<Vec<_>>(), [region]);
    }

    #[test]
    fn damaged_lines_are_read_as_what_they_are_or_left_out(
        damages in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>(), 0..5), 1..9),
        new in prop_oneof![
            prop::sample::select(b" -:/\n\\x0f\xff\x80\0+".to_vec()), any::<u8>()
        ],
    ) {
        let mut maps = MAPS.to_vec();
        for (place, other, bytes, kind) in damages {
            if maps.is_empty() {
                break;
            }
            let (place, other) = (place.index(maps.len()), other.index(maps.len()));
            let end = (place + 1 + bytes.index(40)).min(maps.len());
            match kind {
                0 => maps[place] = new,
                1 => maps.insert(place, new),
                2 => _ = maps.drain(place..end),
                3 => {
                    let copy = maps[place..end].to_vec();
                    maps.splice(other..other, copy);
                }
                _ => maps.truncate(place.max(100)),
            }
        }
        let lines = maps.split(|byte| *byte == b'\n').count();
        let regions: Vec<_> = parse(&maps).collect();
        prop_assert!(regions.len() <= lines);
        for region in regions {
            let line = written(&region);
            prop_assert_eq!(parse(&line).collect::<Vec<_>>(), [region]);
            if let Some(file) = region.file(&Gone) {
                prop_assert!(file.path.is_absolute());
                prop_assert!(file.path.as_os_str().len() <= region.name.len());
            }
        }
    }
}
