//! Detections: named searches and the condition that joins them.

use crate::modifiers::Modifiers;
use crate::report::Reporter;
use crate::yaml::{Key, Kind, Node};
use crate::{Condition, Span, Test, codes, condition};

/// What a rule looks for.
///
/// Spec: Sigma rules specification 2.1, "Detection".
#[derive(Debug, Clone)]
pub struct Detection {
    /// The named searches, in file order; at least one.
    pub searches: Vec<Search>,
    /// The expression over them; several conditions in a list are joined by `or`.
    pub condition: Condition,
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

/// Reads the `detection` section. `None` when something was reported that makes it unusable.
pub(crate) fn read(node: &Node, report: &mut Reporter<'_>) -> Option<Detection> {
    let Kind::Map(entries) = &node.kind else {
        let message = format!("'detection' must be a map of searches, not {}", node.kind_name());
        report.error(codes::WRONG_TYPE, node.span, message);
        return None;
    };
    let errors = report.errors();
    let mut reader = Reader { report, tests: 0 };
    let mut searches = Vec::new();
    let mut condition = None;
    for (key, value) in entries {
        match key.text.as_str() {
            "condition" => condition = Some(value),
            "timeframe" => reader.report.error_help(
                codes::CONDITION_UNSUPPORTED,
                key.span,
                "'timeframe' belongs to the old aggregations, which are not supported",
                "write a correlation document with a timespan",
            ),
            _ => {
                if let Some(body) = reader.search(&key.text, value) {
                    searches.push(Search { name: key.text.clone(), body, span: key.span });
                } else {
                    // Keeps the name known, so that the condition does not complain as well.
                    let body = Body::Any(Vec::new());
                    searches.push(Search { name: key.text.clone(), body, span: key.span });
                }
            }
        }
    }
    if reader.tests > TESTS_MAX {
        let message =
            format!("the detection has {} values; the bound is {TESTS_MAX}", reader.tests);
        report.error(codes::DETECTION_BOUNDS, node.span, message);
    }
    if searches.is_empty() {
        let message = "the detection has no search";
        let help = "add a map such as 'selection' beside 'condition'";
        report.error_help(codes::EMPTY_DETECTION, node.span, message, help);
        return None;
    }
    let Some(condition) = condition else {
        let span = entries.first().map_or(node.span, |(key, _)| key.span);
        let message = "the detection has no condition";
        report.error_help(codes::MISSING_KEY, span, message, "add 'condition: selection'");
        return None;
    };
    let condition = condition::read(condition, &searches, report)?;
    (report.errors() == errors).then_some(Detection { searches, condition })
}

struct Reader<'r, 'a> {
    report: &'r mut Reporter<'a>,
    tests: usize,
}

impl Reader<'_, '_> {
    fn search(&mut self, name: &str, node: &Node) -> Option<Body> {
        match &node.kind {
            Kind::Map(entries) => self.map(name, entries, node.span),
            Kind::List(nodes) => self.list(name, nodes, node.span),
            Kind::Scalar(_) => self.keywords(name, std::slice::from_ref(node), node.span),
        }
    }

    /// A map: all of its entries.
    fn map(&mut self, name: &str, entries: &[(Key, Node)], span: Span) -> Option<Body> {
        if entries.is_empty() {
            return self.empty(span, &format!("the map of search '{name}' is empty"));
        }
        let items: Vec<Option<Body>> =
            entries.iter().map(|(key, value)| self.item(key, value)).collect();
        let mut items = items.into_iter().collect::<Option<Vec<_>>>()?;
        if items.len() == 1 { items.pop() } else { Some(Body::All(items)) }
    }

    /// A list: any of its maps, or of its keywords.
    fn list(&mut self, name: &str, nodes: &[Node], span: Span) -> Option<Body> {
        if nodes.is_empty() {
            return self.empty(span, &format!("the list of search '{name}' is empty"));
        }
        let mut bodies = Vec::new();
        let mut sound = true;
        for node in nodes {
            let body = match &node.kind {
                Kind::Map(entries) => self.map(name, entries, node.span),
                Kind::Scalar(_) => continue,
                Kind::List(_) => {
                    let message = "a list inside the list of a search has no meaning";
                    self.report.error(codes::WRONG_TYPE, node.span, message);
                    None
                }
            };
            sound &= body.is_some();
            bodies.extend(body);
        }
        let words: Vec<Node> =
            nodes.iter().filter(|node| matches!(node.kind, Kind::Scalar(_))).cloned().collect();
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

    fn keywords(&mut self, name: &str, nodes: &[Node], span: Span) -> Option<Body> {
        let tests = self.tests(&Modifiers::default(), nodes, true)?;
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
        let tests = self.tests(&modifiers, values, field.is_none())?;
        Some(Body::Item(Item {
            field,
            tests,
            all: modifiers.all,
            negated: modifiers.negated,
            key: key.text.clone(),
            span: key.span,
        }))
    }

    fn tests(&mut self, modifiers: &Modifiers, nodes: &[Node], keyword: bool) -> Option<Vec<Test>> {
        let tests: Vec<Option<Test>> =
            nodes.iter().map(|node| modifiers.test(node, keyword, self.report)).collect();
        let tests = tests.into_iter().collect::<Option<Vec<_>>>()?;
        // Alternatives need to stay together only where each value is demanded.
        let tests = if modifiers.all { tests } else { flatten(tests) };
        self.tests += tests
            .iter()
            .map(|test| match test {
                Test::AnyOf(tests) => tests.len(),
                _ => 1,
            })
            .sum::<usize>();
        Some(tests)
    }

    fn empty(&mut self, span: Span, message: &str) -> Option<Body> {
        self.report.error(codes::EMPTY_DETECTION, span, message);
        None
    }
}

fn flatten(tests: Vec<Test>) -> Vec<Test> {
    let mut flat = Vec::with_capacity(tests.len());
    for test in tests {
        match test {
            Test::AnyOf(tests) => flat.extend(tests),
            test => flat.push(test),
        }
    }
    flat
}
