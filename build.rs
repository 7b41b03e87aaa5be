//! Lets the linker put side by side what runs on an ordinary day, in release builds (`src/order.ld` says why). It
//! changes where code lies, never what it does.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=src/order.ld");
    let is_release = var("PROFILE").is_ok_and(|profile| profile == "release");
    let is_linux = var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    // Who chose a linker of his own may have chosen one that takes no script.
    let chosen = var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    if is_release && is_linux && !chosen {
        let here = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/src/order.ld");
    }
}
