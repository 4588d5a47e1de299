//! Has the linker write the program's own addresses in the short form (RELR), where the C library of
//! this machine reads it: the long form is 800 KiB that every start has to read.

use std::process::Command;

/// The first glibc that reads the short form (release notes of glibc 2.36, "DT_RELR").
const GLIBC_MIN: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    let is_native = std::env::var("TARGET") == std::env::var("HOST");
    let is_portable = std::env::var_os("CARGO_FEATURE_PORTABLE").is_some();
    // Another target, or a portable program, runs with another C library than this machine's.
    if is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is_native
        && !is_portable
        && glibc().is_some_and(|version| version >= GLIBC_MIN)
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Returns the version of this machine's C library.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
