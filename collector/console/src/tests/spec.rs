//! The committed description of the API is the API.

use std::path::Path;

use crate::api::openapi::document;
use crate::routes::table;

/// Set to write the file instead of comparing it.
const REGENERATE: &str = "VONGLAU_REGENERATE";

#[test]
fn the_committed_openapi_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/openapi.json");
    let now = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "docs/spec/openapi.json is not what the handlers say; \
         run: {REGENERATE}=1 cargo test -p collector-console openapi"
    );
}

#[test]
fn every_route_of_the_api_is_described() {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut described: Vec<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let mut routed: Vec<String> = table(false)
        .iter()
        .filter(|route| route.rule.path.starts_with("/api/"))
        .map(|route| format!("{} {}", route.rule.method, route.rule.path))
        .collect();
    described.sort();
    routed.sort();
    assert_eq!(described, routed);
}
