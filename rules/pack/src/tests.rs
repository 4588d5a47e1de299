//! Tests of loading.

use std::fs;

use super::*;

const RULE: &str = "title: A\nid: ID\nname: NAME\nlevel: low\nlogsource: {product: linux}\n\
                    detection:\n  selection: {user.name: root}\n  condition: selection\n";

fn rule(id: &str, name: &str) -> String {
    RULE.replace("ID", &format!("00000000-0000-0000-0000-{id:0>12}")).replace("NAME", name)
}

fn correlation(id: &str, rules: &str) -> String {
    format!(
        "title: C\nid: 10000000-0000-0000-0000-{id:0>12}\nname: c{id}\nlevel: high\ncorrelation:\n  \
         type: event_count\n  rules: [{rules}]\n  timespan: 5m\n  condition: {{gte: 3}}\n"
    )
}

fn codes(loaded: &Loaded) -> Vec<&str> {
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn shipped_rules_are_sound() {
    let loaded = load(true, &[]).unwrap();
    let text: String = loaded.diagnostics.iter().map(|d| d.render()).collect();
    assert!(loaded.diagnostics.is_empty(), "{text}");
    assert_eq!(loaded.identity.len(), 16);
    assert!(shipped().is_sorted());
}

#[test]
fn broken_files_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("more");
    fs::create_dir(&inner).unwrap();
    fs::write(folder.path().join("a.yml"), rule("1", "a")).unwrap();
    fs::write(folder.path().join("b.yml"), "{{{").unwrap();
    fs::write(folder.path().join("c.yml"), b"title: \xff").unwrap();
    fs::write(folder.path().join("a.case.yml"), "matches: []").unwrap();
    fs::write(folder.path().join("README.md"), "no rule").unwrap();
    fs::write(inner.join("d.yaml"), rule("2", "d")).unwrap();
    let loaded = load(false, &[folder.path().to_owned()]).unwrap();
    assert_eq!(loaded.rules.len(), 2);
    assert_eq!(codes(&loaded), ["R073", "R001"]);
    // Naming the same folder twice changes nothing.
    let twice = load(false, &[folder.path().to_owned(), inner]).unwrap();
    assert_eq!((twice.rules.len(), twice.identity), (2, loaded.identity));
}

#[test]
fn circular_links_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yml"), rule("1", "a")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    let loaded = load(false, &[folder.path().to_owned()]).unwrap();
    assert_eq!(loaded.rules.len(), 1);
    assert!(codes(&loaded).is_empty());
}

#[test]
fn what_is_no_file_is_not_read() {
    // Opening a device such as this one would never end; a link to it must not either.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("a.yml")).unwrap();
    assert_eq!(codes(&load(false, &[folder.path().to_owned()]).unwrap()), ["R073"]);
}

#[test]
fn a_missing_folder_is_named() {
    let error = load(false, &["/no/such/folder".into()]).unwrap_err();
    assert_eq!(error.to_string(), "cannot read rules from /no/such/folder");
}

#[test]
fn ids_and_names_are_taken_once() {
    let (a, b, c) = (rule("1", "a"), rule("1", "b"), rule("3", "a"));
    let loaded = load_texts([("a", a.as_str()), ("b", b.as_str()), ("c", c.as_str())]);
    assert_eq!(loaded.rules.len(), 1);
    assert_eq!(codes(&loaded), ["R018", "R018"]);
    assert_eq!(loaded.diagnostics[0].source_line, "id: 00000000-0000-0000-0000-000000000001");
    assert_eq!(loaded.diagnostics[1].source_line, "name: a");
}

#[test]
fn correlations_need_their_rules() {
    let (a, c1) = (rule("1", "a"), correlation("1", "a"));
    let (c2, c3) = (correlation("2", "a, gone"), correlation("3", "c2"));
    let files = [("a", a.as_str()), ("1", c1.as_str()), ("3", c3.as_str()), ("2", c2.as_str())];
    let loaded = load_texts(files);
    assert_eq!(loaded.correlations.len(), 1);
    assert_eq!(codes(&loaded), ["R053", "R053"]);
    assert_eq!(loaded.diagnostics[0].source_line, "  rules: [a, gone]");
    assert_eq!(loaded.diagnostics[0].span.column, 14);
}

#[test]
fn circles_are_shown() {
    let (a, b) = (correlation("1", "c2"), correlation("2", "c1"));
    let loaded = load_texts([("a", a.as_str()), ("b", b.as_str())]);
    assert_eq!(loaded.correlations.len(), 0);
    assert_eq!(codes(&loaded), ["R057", "R057"]);
    assert!(loaded.diagnostics[0].message.ends_with("c1 → c2 → c1"));
}

#[test]
fn lists_and_filters_beside_rules_are_used_and_change_the_identity() {
    let with = |extra: &[(&str, &str)]| {
        let using = rule("1", "a").replace("user.name: root", "user.name|expand: '%admins%'");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yml"), using).unwrap();
        for (name, text) in extra {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let whole = load(false, &[folder.path().to_owned()]).unwrap();
        // The lists beside a file that is named alone count too.
        let alone = load(false, &[folder.path().join("a.yml")]).unwrap();
        assert_eq!(whole.rules.len(), alone.rules.len());
        whole
    };
    assert_eq!(codes(&with(&[])), ["R030"]);
    let lists = ("placeholders.toml", "admins = ['root', 'adm_*']\n");
    let first = with(&[lists]);
    assert_eq!(codes(&first), [""; 0]);
    assert_eq!(first.rules.len(), 1);
    let other = with(&[("placeholders.yml", "admins: [root]\n")]);
    let filter = "title: F\nlogsource: {product: linux}\nfilter:\n  rules: [a, b]\n  \
                  ours: {host.name: h}\n  condition: not ours\n";
    let tuned = with(&[lists, ("z.yml", filter)]);
    assert_eq!(codes(&tuned), ["R032"]);
    assert_eq!(tuned.rules.first().unwrap().filters, ["z"]);
    let identities = [&first.identity, &other.identity, &tuned.identity];
    let distinct: std::collections::HashSet<_> = identities.into_iter().collect();
    assert_eq!(distinct.len(), 3);
}
