//! Detections: named searches and the condition that joins them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::modifiers::Modifiers;
use crate::placeholders::Placeholders;
use crate::report::{Reporter, nearest};
use crate::yaml::{Key, Kind, Node};
use crate::{Condition, Severity, Span, Test, codes, condition};

/// What a rule looks for.
///
/// Spec: Sigma rules specification 2.1, "Detection".
#[derive(Debug, Clone)]
pub struct Detection {
    /// The named searches, in file order; at least one.
    pub searches: Vec<Search>,
    /// The expression over them; several conditions in a list are joined by `or`.
    pub condition: Condition,
    /// Texts outside the rule's file that decide what it detects: those of filters folded in, and
    /// the lists of its placeholders. Identities are computed from them too.
    pub tuning: Vec<Arc<str>>,
}

/// One named search.
#[derive(Debug, Clone)]
pub struct Search {
    /// Its name, such as `selection`.
    pub name: String,
    /// What it demands.
    pub body: Body,
    /// Place of its name.
    pub span: Span,
}

/// What a search demands of an event.
#[derive(Debug, Clone)]
pub enum Body {
    /// All of them: the entries of a map.
    All(Vec<Self>),
    /// Any of them: the elements of a list.
    Any(Vec<Self>),
    /// One field, or one set of keywords.
    Item(Item),
}

/// One field with its tests, modifiers already applied.
#[derive(Debug, Clone)]
pub struct Item {
    /// The Sigma field name; `None` for keywords, which are searched in the whole line.
    pub field: Option<String>,
    /// What its values are tested for. At least one.
    pub tests: Vec<Test>,
    /// True when every test must hold (`all`), false when one is enough.
    pub all: bool,
    /// True when the outcome is turned round (`neq`).
    pub negated: bool,
    /// The key as written, modifiers included: `CommandLine|contains|all`.
    pub key: String,
    /// Place of the key.
    pub span: Span,
}

/// Values in one detection, after expansion; SigmaHQ's largest rule has under 2,000.
const TESTS_MAX: usize = 20_000;
/// Searches in one detection.
const SEARCHES_MAX: usize = 500;

/// Reads the `detection` section (or that of a filter, whose `rules` is no search). `None` when
/// something was reported that makes it unusable.
pub(crate) fn read(
    node: &Node,
    filter: bool,
    lists: &Placeholders,
    report: &mut Reporter<'_>,
) -> Option<Detection> {
    let what = if filter { "filter" } else { "detection" };
    let Kind::Map(entries) = &node.kind else {
        let message = format!("'{what}' must be a map of searches, not {}", node.kind_name());
        report.error(codes::WRONG_TYPE, node.span, message);
        return None;
    };
    let errors = report.errors();
    let mut reader = Reader { report, lists, tests: 0, used: BTreeMap::new(), span: node.span };
    let mut searches = Vec::with_capacity(entries.len().saturating_sub(1));
    let mut condition = None;
    for (key, value) in entries {
        match key.text.as_str() {
            "condition" => condition = Some(value),
            "rules" if filter => {}
            "timeframe" => reader.report.error_help(
                codes::CONDITION_UNSUPPORTED,
                key.span,
                "'timeframe' belongs to the old aggregations, which are not supported",
                "write a correlation document with a timespan",
            ),
            // Keeps the name known where the search is wrong, so that the condition does not
            // complain as well.
            _ => {
                let body = reader.search(&key.text, value).unwrap_or(Body::Any(Vec::new()));
                searches.push(Search { name: key.text.clone(), body, span: key.span });
            }
        }
    }
    let tuning = reader.used.into_values().collect();
    if searches.len() > SEARCHES_MAX {
        let message = format!("the {what} has more than {SEARCHES_MAX} searches");
        report.error(codes::DETECTION_BOUNDS, node.span, message);
        return None;
    }
    if searches.is_empty() {
        let message = format!("the {what} has no search");
        let help = "add a map such as 'selection' beside 'condition'";
        report.error_help(codes::EMPTY_DETECTION, node.span, message, help);
        return None;
    }
    let Some(condition) = condition else {
        missing_condition(what, node, entries, report);
        return None;
    };
    let condition = condition::read(condition, &searches, report)?;
    (report.errors() == errors).then_some(Detection { searches, condition, tuning })
}

fn missing_condition(what: &str, node: &Node, entries: &[(Key, Node)], report: &mut Reporter<'_>) {
    let near = |key: &Key| nearest(&key.text, ["condition"]).is_some();
    let misspelt = entries
        .iter()
        .find(|(key, node)| near(key) && matches!(node.kind, Kind::Scalar(_) | Kind::List(_)));
    let message = format!("the {what} has no condition");
    let Some((key, _)) = misspelt else {
        let span = entries.first().map_or(node.span, |(key, _)| key.span);
        report.error_help(codes::MISSING_KEY, span, message, "add 'condition: selection'");
        return;
    };
    let place = (Severity::Error, codes::MISSING_KEY, key.span);
    report.unknown_word(place, &key.text, message, &["condition"], String::new);
}

struct Reader<'r, 'a> {
    report: &'r mut Reporter<'a>,
    lists: &'r Placeholders,
    tests: usize,
    /// Placeholders used, with what their lists say.
    used: BTreeMap<String, Arc<str>>,
    span: Span,
}

impl Reader<'_, '_> {
    fn search(&mut self, name: &str, node: &Node) -> Option<Body> {
        match &node.kind {
            Kind::Map(entries) => self.map(name, entries, node.span),
            Kind::List(nodes) => self.list(name, nodes, node.span),
            Kind::Scalar(_) => self.keywords(name, &[node], node.span),
        }
    }

    /// A map: all of its entries.
    fn map(&mut self, name: &str, entries: &[(Key, Node)], span: Span) -> Option<Body> {
        if entries.is_empty() {
            return self.empty(span, &format!("the map of search '{name}' is empty"));
        }
        let mut items = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            items.extend(self.item(key, value));
        }
        if items.len() < entries.len() {
            return None;
        }
        if items.len() == 1 { items.pop() } else { Some(Body::All(items)) }
    }

    /// A list: any of its maps, or of its keywords.
    fn list(&mut self, name: &str, nodes: &[Node], span: Span) -> Option<Body> {
        if nodes.is_empty() {
            return self.empty(span, &format!("the list of search '{name}' is empty"));
        }
        let mut bodies = Vec::new();
        let mut words = Vec::new();
        let mut sound = true;
        for node in nodes {
            let body = match &node.kind {
                Kind::Map(entries) => self.map(name, entries, node.span),
                Kind::Scalar(_) => {
                    words.push(node);
                    continue;
                }
                Kind::List(_) => {
                    let message = "a list inside the list of a search has no meaning";
                    self.report.error(codes::WRONG_TYPE, node.span, message);
                    None
                }
            };
            sound &= body.is_some();
            bodies.extend(body);
        }
        if !words.is_empty() {
            let body = self.keywords(name, &words, span);
            sound &= body.is_some();
            bodies.extend(body);
        }
        if !sound {
            return None;
        }
        if bodies.len() == 1 { bodies.pop() } else { Some(Body::Any(bodies)) }
    }

    fn keywords(&mut self, name: &str, nodes: &[&Node], span: Span) -> Option<Body> {
        let tests = self.tests(&Modifiers::default(), nodes.iter().copied(), nodes.len(), true)?;
        let key = name.to_owned();
        let item = Item { field: None, tests, all: false, negated: false, key, span };
        Some(Body::Item(item))
    }

    fn item(&mut self, key: &Key, value: &Node) -> Option<Body> {
        let (field, modifiers) = Modifiers::parse(key, self.report)?;
        let values = match &value.kind {
            Kind::List(nodes) => nodes.as_slice(),
            Kind::Scalar(_) => std::slice::from_ref(value),
            Kind::Map(_) => {
                let message =
                    format!("'{}' must hold a value or a list of values, not a map", key.text);
                let help = "write nested fields with dots: 'source.ip'";
                self.report.error_help(codes::VALUE_TYPE, key.span, message, help);
                return None;
            }
        };
        if values.is_empty() {
            return self.empty(key.span, &format!("'{}' has an empty list of values", key.text));
        }
        modifiers.check_all(key, values.len(), self.report);
        let tests = self.tests(&modifiers, values.iter(), values.len(), field.is_none())?;
        Some(Body::Item(Item {
            field: field.map(str::to_owned),
            tests,
            all: modifiers.all,
            negated: modifiers.negated,
            key: key.text.clone(),
            span: key.span,
        }))
    }

    fn tests<'n>(
        &mut self,
        modifiers: &Modifiers,
        nodes: impl Iterator<Item = &'n Node>,
        count: usize,
        keyword: bool,
    ) -> Option<Vec<Test>> {
        let mut tests = Vec::with_capacity(count);
        let mut sound = true;
        for node in nodes {
            // Checked while they are made: one value may become thousands.
            if self.tests > TESTS_MAX {
                return None;
            }
            if modifiers.expand
                && let Kind::Scalar(scalar) = &node.kind
            {
                self.lists.note_used(&scalar.text, &mut self.used);
            }
            match modifiers.test(node, keyword, self.lists, self.report) {
                // Alternatives need to stay together only where each value is demanded.
                Some(Test::AnyOf(several)) if !modifiers.all => {
                    self.tests += several.len();
                    tests.extend(several);
                }
                Some(test) => {
                    self.tests += if let Test::AnyOf(several) = &test { several.len() } else { 1 };
                    tests.push(test);
                }
                None => sound = false,
            }
            if self.tests > TESTS_MAX {
                let message = format!("the searches have more than {TESTS_MAX} values");
                let help = "windash, base64offset and placeholders make several values of one";
                self.report.error_help(codes::DETECTION_BOUNDS, self.span, message, help);
            }
        }
        tests.shrink_to_fit();
        sound.then_some(tests)
    }

    fn empty(&mut self, span: Span, message: &str) -> Option<Body> {
        self.report.error(codes::EMPTY_DETECTION, span, message);
        None
    }
}
