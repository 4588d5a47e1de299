//! Lists the pages of `docs/rules`, so that the program carries them.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let folder = root.join("../../docs/rules");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(&folder).expect("the pages are readable");
    let mut pages: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the pages are readable").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    let mut code = "const PAGES: &[(&str, &str)] = &[\n".to_owned();
    for page in pages {
        let name = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        code.push_str(&format!(
            "    ({name:?}, include_str!({:?})),\n",
            page.display().to_string()
        ));
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("pages.rs"), code).expect("the build folder is writable");
}
