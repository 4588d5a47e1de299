//! Lists the shipped rules and their cases, so that the programs carry them.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let (mut rules, mut cases) = (Vec::new(), Vec::new());
    collect(&root, &root, &mut rules, &mut cases);
    let mut code = String::new();
    for (name, files) in [("RULES", &mut rules), ("CASES", &mut cases)] {
        files.sort();
        code.push_str(&format!("const {name}: &[(&str, &str)] = &[\n"));
        for file in files {
            let path = root.join(&*file);
            code.push_str(&format!(
                "    ({file:?}, include_str!({:?})),\n",
                path.display().to_string()
            ));
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("shipped.rs"), code).expect("the build folder is writable");
}

/// Collects `.yml` files as paths relative to the root, with `/` on every system.
fn collect(root: &Path, folder: &Path, rules: &mut Vec<String>, cases: &mut Vec<String>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder).expect("the pack is readable") {
        let path = entry.expect("the pack is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "src" && name != "tests" {
                collect(root, &path, rules, cases);
            }
        } else if name.ends_with(".yml") {
            println!("cargo::rerun-if-changed={}", path.display());
            let relative = path.strip_prefix(root).expect("it lies under the root");
            let relative: Vec<_> =
                relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            let list = if name.ends_with(".case.yml") { &mut *cases } else { &mut *rules };
            list.push(relative.join("/"));
        }
    }
}
