//! Which source files are the user's own.
//!
//! Code of an inlined function has a frame for each function around it. In C++ and Rust the innermost ones
//! are mostly those of the standard library: `stl_tree.h`, `cmp.rs`. A user wants the line of his own from
//! which they were called. This is the one place that knows how to tell: by the directories where compilers,
//! systems and package managers keep sources. What is in none of them is the user's own.

/// Where compilers, systems and package managers have their files, from the root on.
const FOREIGN_ROOTS: &[&str] = &[
    // Rust's library, as its own builds name it.
    "/rustc/",
    "/usr/",
    "/nix/store/",
    "/gnu/store/",
    "/opt/homebrew/",
    "/Library/Developer/",
    "/Applications/Xcode.app/",
    // Where Debian built its libraries before it left the directory out.
    "/build/gcc-",
    "/build/glibc-",
    "/build/musl-",
    "/build/rustc-",
];

/// What is below these is the user's own, although it is below one of the others.
const OWN_ROOTS: &[&str] = &["/usr/src/", "/usr/local/src/", "/usr/home/"];

/// Rust's library, as Debian names it.
const DEBIANS_RUST: &str = "/usr/src/rustc-";

/// Directories that are foreign wherever they are: a toolchain may be installed anywhere.
const FOREIGN_DIRECTORIES: &[&str] = &[
    "/.rustup/",
    "/rustlib/src/",
    "/rust/deps/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "/cargo/registry/",
    "/cargo/git/",
    "/go/pkg/mod/",
    "/include/c++/",
    "/lib/gcc/",
    "/lib/clang/",
    "/libgcc/",
    "/libstdc++-v3/",
    "/sysdeps/",
];

/// Directories of the GNU C library, whose builds name their files from the root of its sources on.
const GLIBC_DIRECTORIES: &[&str] = &[
    "csu/",
    "elf/",
    "iconv/",
    "libio/",
    "malloc/",
    "nptl/",
    "stdio-common/",
    "stdlib/",
    "string/",
    "sysdeps/",
    "wcsmbs/",
];

/// Whether the source file at `path` is the user's own: not of the toolchain, the system or a dependency.
pub(crate) fn is_own(path: &str) -> bool {
    let begins = |roots: &[&str]| roots.iter().any(|root| path.starts_with(root));
    if path.starts_with('/') {
        let is_foreign =
            begins(FOREIGN_ROOTS) && !begins(OWN_ROOTS) || path.starts_with(DEBIANS_RUST);
        return !is_foreign && !FOREIGN_DIRECTORIES.iter().any(|part| path.contains(part));
    }
    let relative = path.trim_start_matches("./").trim_start_matches("../");
    let is_glibc = GLIBC_DIRECTORIES.iter().any(|directory| relative.starts_with(directory));
    !is_glibc && !FOREIGN_DIRECTORIES.iter().any(|part| path.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_toolchains_systems_and_dependencies_are_not_the_users_own() {
        for path in [
            "/rustc/4a4ef493e3a1488c6e321570238084b38948f6db/library/core/src/cmp.rs",
            "/usr/src/rustc-1.63.0/library/alloc/src/vec/mod.rs",
            "/home/ann/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/ptr/mod.rs",
            "/home/ann/.cargo/registry/src/index.crates.io-6f17d22bba15001f/hashbrown-0.15.2/src/lib.rs",
            "/usr/local/cargo/registry/src/index/serde-1.0.0/src/lib.rs",
            "/rust/deps/hashbrown-0.15.2/src/raw/mod.rs",
            "/usr/include/c++/12/bits/stl_tree.h",
            "/usr/riscv64-linux-gnu/include/c++/12/bits/stl_algo.h",
            "/opt/riscv/riscv64-unknown-elf/include/c++/13.2.0/vector",
            "/opt/riscv/lib/gcc/riscv64-unknown-elf/13.2.0/include/arm_neon.h",
            "/usr/lib/llvm-16/lib/clang/16/include/immintrin.h",
            "/usr/include/stdlib.h",
            "/usr/lib/go-1.19/src/runtime/malloc.go",
            "/home/ann/go/pkg/mod/golang.org/x/text@v0.3.0/cases.go",
            "/build/glibc-6iIyft/glibc-2.28/malloc/malloc.c",
            "./malloc/malloc.c",
            "../sysdeps/riscv/memcpy.c",
            "string/../sysdeps/x86_64/multiarch/strlen.c",
            "../../../../src/libstdc++-v3/src/c++11/string.cc",
        ] {
            assert!(!is_own(path), "{path}");
        }
    }

    #[test]
    fn all_else_is_the_users_own() {
        for path in [
            "/home/ann/project/src/main.rs",
            "/src/matrix.c",
            "/usr/src/linux-6.1/kernel/fork.c",
            "/usr/local/src/tool/main.c",
            "/build/project/main.cpp",
            "/home/me/c++/include/tree.h",
            "src/main.c",
            "./kernel/sched/core.c",
            "./include/linux/list.h",
            "",
        ] {
            assert!(is_own(path), "{path}");
        }
    }
}
