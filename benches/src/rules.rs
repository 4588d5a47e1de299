//! Rules: what the agent is measured with: the pack, and SigmaHQ's rules for Linux where they are.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use rules_matcher::{Matcher, RuleSet};

/// Folders of further rules: SigmaHQ's for Linux, when the test data is there (`VONGLAU_TEST_DATA`, or
/// `../shared/data` beside the checkout).
pub(crate) fn dirs() -> Vec<PathBuf> {
    let data = std::env::var_os("VONGLAU_TEST_DATA")
        .map_or_else(|| tests::root().join("../shared/data"), PathBuf::from);
    match data.join("sigma_rules/rules/linux").canonicalize() {
        Ok(dir) => vec![dir],
        Err(error) => {
            let dir = data.join("sigma_rules/rules/linux");
            eprintln!("only the pack is loaded: {}: {error}; set VONGLAU_TEST_DATA", dir.display());
            Vec::new()
        }
    }
}

/// Loads them as the agent does.
pub(crate) fn load() -> Result<Arc<Matcher>> {
    let loaded = rules_pack::load(true, &dirs())?;
    let (set, _) = RuleSet::compile(loaded.rules);
    Ok(Arc::clone(set.matcher()))
}
