//! Rule collections: `action: global`, `reset` and `repeat`.
//!
//! Spec: Sigma rules specification 1.0, "Rule Collections". Version 2.0 dropped them and names no
//! successor; old rule sets still have them, so they are read as 1.0 says, with a warning.

use std::collections::HashMap;

use crate::codes;
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{Key, Kind, Node, Source};

/// Nodes that the documents of one file may have after merging.
const MERGED_NODES_MAX: usize = 200_000;

/// Replaces the action documents of a file by the rules they stand for.
pub(crate) fn resolve(sources: Vec<Source>, report: &mut Reporter<'_>) -> Vec<Source> {
    if sources.iter().all(|source| source.root.get("action").is_none()) {
        return sources;
    }
    let mut collection = Collection { report, ids: HashMap::new(), nodes: 0, told: false };
    let mut global: Option<Source> = None;
    let mut previous: Option<Source> = None;
    let mut rules = Vec::new();
    for mut source in sources {
        let after_rule = previous.is_some();
        let Ok(action) = collection.take_action(&mut source, after_rule) else { continue };
        let base = match action {
            Action::Rule => global.as_ref(),
            Action::Global => {
                let merged = collection.merge(global.as_ref(), source);
                let Some(merged) = merged else { break };
                global = Some(merged);
                continue;
            }
            Action::Reset => {
                global = None;
                continue;
            }
            Action::Repeat => previous.as_ref(),
        };
        let own_id = source.root.get("id").is_some();
        let Some(mut merged) = collection.merge(base, source) else { break };
        previous = Some(Source { root: merged.root.clone(), sound: merged.sound });
        if !own_id {
            collection.tell_apart(&mut merged.root);
        }
        rules.push(merged);
    }
    rules
}

enum Action {
    Rule,
    Global,
    Reset,
    Repeat,
}

struct Collection<'r, 'a> {
    report: &'r mut Reporter<'a>,
    /// How many rules have taken an id that is not their own.
    ids: HashMap<String, usize>,
    nodes: usize,
    told: bool,
}

impl Collection<'_, '_> {
    /// Takes the key `action` off a document; an unknown one leaves the document out.
    fn take_action(&mut self, source: &mut Source, after_rule: bool) -> Result<Action, ()> {
        let Kind::Map(entries) = &mut source.root.kind else { return Ok(Action::Rule) };
        let Some(index) = entries.iter().position(|(key, _)| key.text == "action") else {
            return Ok(Action::Rule);
        };
        let (key, node) = entries.remove(index);
        let word = match &node.kind {
            Kind::Scalar(scalar) => scalar.text.as_str(),
            Kind::List(_) | Kind::Map(_) => "",
        };
        let action = match word {
            "global" => Action::Global,
            "reset" => Action::Reset,
            "repeat" => Action::Repeat,
            _ => {
                // No fix: another action changes what becomes of the documents after it.
                let known = ["global", "reset", "repeat"];
                let help = did_you_mean(word, known, || "one of global, reset, repeat".to_owned());
                let message = format!("unknown action '{word}'");
                self.report.error_help(codes::BAD_ACTION, node.span, message, help);
                return Err(());
            }
        };
        if !self.told {
            self.told = true;
            let message = "rule collections are no longer part of Sigma since version 2.0";
            let help =
                "read as version 1.0 says ('Rule Collections'); write every rule out in full";
            self.report.warning(codes::OLD_COLLECTION, key.span, message, help);
        }
        if matches!(action, Action::Repeat) && !after_rule {
            let message = "there is no rule before this one that could be repeated";
            self.report.error_help(codes::BAD_ACTION, node.span, message, "leave out 'action'");
            return Err(());
        }
        Ok(action)
    }

    /// Merges a document over another. `None` when the bound is reached.
    fn merge(&mut self, base: Option<&Source>, over: Source) -> Option<Source> {
        let span = over.root.span;
        let sound = over.sound && base.is_none_or(|base| base.sound);
        let root = match base {
            Some(base) => merged(&base.root, over.root),
            None => over.root,
        };
        self.nodes += count(&root);
        if self.nodes > MERGED_NODES_MAX {
            let message = format!("the collection makes more than {MERGED_NODES_MAX} nodes");
            self.report.error_help(codes::YAML_BOUNDS, span, message, "cut it into several files");
            return None;
        }
        Some(Source { root, sound })
    }

    /// Rules of one collection that have no id of their own share one; from the second on it gets a
    /// number, so that none is lost as a duplicate. A shared name stays with the first.
    fn tell_apart(&mut self, root: &mut Node) {
        let Kind::Map(entries) = &mut root.kind else { return };
        let id = entries.iter_mut().find(|(key, _)| key.text == "id");
        let Some((_, Node { kind: Kind::Scalar(scalar), .. })) = id else { return };
        let seen = self.ids.entry(scalar.text.clone()).or_default();
        *seen += 1;
        if *seen > 1 {
            scalar.text = format!("{}#{seen}", scalar.text);
            entries.retain(|(key, _)| key.text != "name");
        }
    }
}

/// Merges maps key by key, the second before the first; everything else is replaced. The bound on
/// nesting bounds the recursion.
fn merged(base: &Node, over: Node) -> Node {
    let Kind::Map(base_entries) = &base.kind else { return over };
    let over_entries = match over.kind {
        Kind::Map(entries) => entries,
        kind => return Node { kind, span: over.span },
    };
    let mut entries: Vec<(Key, Node)> = base_entries.clone();
    for (key, node) in over_entries {
        match entries.iter_mut().find(|(old, _)| old.text == key.text) {
            Some(slot) => {
                let node = merged(&slot.1, node);
                *slot = (key, node);
            }
            None => entries.push((key, node)),
        }
    }
    Node { kind: Kind::Map(entries), span: over.span }
}

fn count(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(_) => 1,
        Kind::List(nodes) => 1 + nodes.iter().map(count).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|(_, node)| 1 + count(node)).sum::<usize>(),
    }
}
