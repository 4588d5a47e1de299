//! The rules and events that are measured: files handed to the bench, never part of the project.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The text of one rule file.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    /// Path below the folder of rules.
    pub name: String,
    pub text: String,
}

/// Where an event comes from, in Sigma's words. An absent part is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Source {
    pub product: String,
    pub service: String,
    pub category: String,
}

/// One event: where it comes from, and its fields as JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub source: Source,
    pub json: String,
}

/// Returns the folder of test data: `VONGLAU_TEST_DATA`, or the one beside the checkout.
pub(crate) fn data() -> PathBuf {
    std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    )
}

/// Returns all public rules, in the order of their paths.
pub(crate) fn rules() -> Result<Vec<RuleText>> {
    let root = data().join("sigma_rules/rules");
    let mut paths = Vec::new();
    collect(&root, &mut paths).with_context(|| format!("no rules under {}", root.display()))?;
    paths.sort();
    let texts = paths.iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        Ok(RuleText { name, text: std::fs::read_to_string(path)? })
    });
    texts.collect()
}

/// Returns the rules whose logsource names Linux as the product.
pub(crate) fn linux(rules: &[RuleText]) -> Vec<RuleText> {
    let of_linux = |text: &str| {
        let mut inside = false;
        text.lines().any(|line| {
            if !line.starts_with([' ', '#']) {
                inside = line.starts_with("logsource:");
            }
            inside && line.trim() == "product: linux"
        })
    };
    rules.iter().filter(|rule| of_linux(&rule.text)).cloned().collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "yml") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Returns the events of a file of `product TAB service TAB category TAB {json}` lines.
pub(crate) fn events(name: &str) -> Result<Vec<Line>> {
    let path = data().join("engine").join(name);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("no events: {}", path.display()))?;
    let lines = text.lines().map(|line| {
        let mut parts = line.splitn(4, '\t').map(str::to_owned);
        let mut part = || parts.next().context("a line has fewer than four columns");
        let source = Source { product: part()?, service: part()?, category: part()? };
        Ok(Line { source, json: part()? })
    });
    let lines: Vec<Line> = lines.collect::<Result<_>>()?;
    ensure!(!lines.is_empty(), "{} is empty", path.display());
    Ok(lines)
}
