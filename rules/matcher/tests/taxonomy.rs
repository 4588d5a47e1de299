//! Every field of every public rule has a place: none is mapped silently to nothing.
//!
//! Reads the rules of SigmaHQ from `VONGLAU_TEST_DATA` (or `../shared/data` beside the checkout) and
//! skips, saying so, where they are not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rules_matcher::sql;
use rules_matcher::taxonomy::{self, Mapping, UNMAPPED};
use rules_sigma::{Body, Document, Item, Logsource, Rule, Test, parse_file};

fn corpus() -> Option<PathBuf> {
    let data = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let rules = data.join("sigma_rules/rules");
    if rules.is_dir() {
        return Some(rules);
    }
    eprintln!("skipped: no public rules at {}", rules.display());
    None
}

fn rules_under(folder: &Path, rules: &mut Vec<Rule>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rules_under(&path, rules)?;
        } else if path.extension().is_some_and(|ext| ext == "yml") {
            let text = std::fs::read_to_string(&path)?;
            let parsed = parse_file(&path.display().to_string(), &text);
            rules.extend(parsed.documents.into_iter().filter_map(|document| match document {
                Document::Rule(rule) => Some(rule),
                _ => None,
            }));
        }
    }
    Ok(())
}

fn fields(rule: &Rule) -> BTreeSet<String> {
    fn test(test_: &Test, out: &mut BTreeSet<String>) {
        match test_ {
            Test::Field { field, .. } => {
                out.insert(field.clone());
            }
            Test::AnyOf(tests) => tests.iter().for_each(|one| test(one, out)),
            _ => {}
        }
    }
    fn body(body_: &Body, out: &mut BTreeSet<String>) {
        match body_ {
            Body::Item(Item { field, tests, .. }) => {
                out.extend(field.clone());
                tests.iter().for_each(|one| test(one, out));
            }
            Body::All(parts) | Body::Any(parts) => parts.iter().for_each(|one| body(one, out)),
        }
    }
    let mut out = BTreeSet::new();
    rule.detection.searches.iter().for_each(|search| body(&search.body, &mut out));
    out
}

#[test]
fn every_field_and_logsource_of_the_public_rules_has_a_place() {
    let Some(folder) = corpus() else { return };
    let mut rules = Vec::new();
    rules_under(&folder, &mut rules).unwrap();
    let mut uses: BTreeMap<(String, String, String), (Logsource, BTreeSet<String>)> =
        BTreeMap::new();
    for rule in &rules {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let logsource = &rule.logsource;
        let key = (part(&logsource.product), part(&logsource.category), part(&logsource.service));
        uses.entry(key)
            .or_insert_with(|| (logsource.clone(), BTreeSet::new()))
            .1
            .extend(fields(rule));
    }
    let mut silent = Vec::new();
    let mut homeless = Vec::new();
    let mut stale: BTreeSet<_> =
        UNMAPPED.iter().map(|one| (one.product, one.kind, one.field)).collect();
    let mut counts: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    let mut pairs = 0;
    for ((product, category, service), (logsource, fields)) in &uses {
        if taxonomy::source(logsource).is_empty() {
            homeless.push(format!("{product}/{category}/{service}"));
        }
        let kind = if category.is_empty() { service } else { category };
        for field in fields {
            let (ecs, how) = taxonomy::mapping(logsource, field);
            let word = match how {
                Mapping::Row => "by a row",
                Mapping::Dotted => "dotted",
                Mapping::Rest => "under a prefix",
                Mapping::AsIs
                    if stale.remove(&(product.as_str(), kind.as_str(), field.as_str())) =>
                {
                    "unmapped with a reason"
                }
                Mapping::AsIs => {
                    silent.push(format!("{product}/{category}/{service}: {field} → {ecs}"));
                    "silent"
                }
            };
            pairs += 1;
            *counts.entry(product).or_default().entry(word).or_default() += 1;
        }
    }
    for (product, counts) in &counts {
        let product = if product.is_empty() { "(any product)" } else { product };
        eprintln!("measured: {product}: {counts:?}");
    }
    eprintln!(
        "measured: {} rules, {} logsources, {pairs} pairs of logsource and field",
        rules.len(),
        uses.len()
    );
    assert!(rules.len() > 3000, "only {} rules were read", rules.len());
    assert!(homeless.is_empty(), "logsources without events: {homeless:#?}");
    assert!(silent.is_empty(), "fields mapped silently to nothing: {silent:#?}");
    assert!(stale.is_empty(), "on the list of unmapped fields without need: {stale:?}");
}

#[test]
fn public_rules_can_be_said_in_sql() {
    let Some(folder) = corpus() else { return };
    let mut rules = Vec::new();
    rules_under(&folder, &mut rules).unwrap();
    let (mut longest, mut unsaid) = (0, Vec::new());
    for rule in &rules {
        match sql::predicate(rule) {
            Ok(sql) => longest = longest.max(sql.to_string().len()),
            Err(reason) => unsaid.push(format!("{}: {reason}", rule.title)),
        }
    }
    eprintln!(
        "measured: {} of {} rules have SQL, the longest {longest} bytes",
        rules.len() - unsaid.len(),
        rules.len()
    );
    assert!(unsaid.is_empty(), "{unsaid:#?}");
}
