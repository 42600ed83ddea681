//! Link arguments of the plugin.
//!
//! `qemu-plugin` exports its own `qemu_plugin_install` and `qemu_plugin_version`, as plugins written
//! with its traits want; this one has its own, and the first definition is to win.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "macos" {
        // QEMU's functions are found when it loads the plugin.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-undefined,dynamic_lookup");
    } else {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,muldefs");
    }
}
