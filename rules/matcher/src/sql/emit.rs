//! The walk from a rule to its SQL.

use std::collections::{BTreeMap, BTreeSet};

use rules_event::field;
use rules_sigma::{Body, Condition, Item, Place, Quantifier, Rule, Test};

use super::literal::{quote, quote_all};
use super::text::{Patterns, fold_some};
use super::values::{self, Shared};
use super::{Sql, Unsupported, numbers, regex};
use crate::Copies;
use crate::taxonomy::{self, KEYWORD_FIELDS, Program, Source};

/// Returns the SQL of a rule; the number keeps its names apart from those of other rules.
pub(super) fn rule(rule: &Rule, number: usize) -> Result<Sql, Unsupported> {
    let mut emitter = Emitter { rule, number, fields: BTreeMap::new(), shared: BTreeSet::new() };
    let source = emitter.source(&taxonomy::source(&rule.logsource));
    let condition = emitter.condition(&rule.detection.condition)?;
    let condition = format!("({source}) AND {condition}");
    Ok(Sql { with: emitter.with(), condition })
}

/// What is needed of one field.
#[derive(Debug, Default)]
struct Need {
    index: usize,
    /// Its texts.
    texts: bool,
    /// Its numbers.
    numbers: bool,
    /// Its texts with their decoded copies.
    copies: bool,
    /// The same, folded as far as these characters need it.
    folded: Option<BTreeSet<char>>,
}

struct Emitter<'r> {
    rule: &'r Rule,
    number: usize,
    fields: BTreeMap<String, Need>,
    shared: BTreeSet<Shared>,
}

impl Emitter<'_> {
    fn need(&mut self, field: &str) -> &mut Need {
        let index = self.fields.len();
        self.fields.entry(field.to_owned()).or_insert_with(|| Need { index, ..Need::default() })
    }

    /// Returns the name of the array of a field's texts.
    fn texts(&mut self, field: &str) -> String {
        let need = self.need(field);
        need.texts = true;
        let index = need.index;
        self.name('f', index)
    }

    /// Returns the name of the array of a field's texts, numbers as they are compared.
    fn numbers(&mut self, field: &str) -> String {
        let need = self.need(field);
        need.numbers = true;
        let index = need.index;
        self.name('n', index)
    }

    /// Returns the name of the array of a field's texts and their copies.
    fn copied(&mut self, field: &str) -> String {
        if taxonomy::copies(field) == Copies::None {
            return self.texts(field);
        }
        let need = self.need(field);
        need.copies = true;
        let index = need.index;
        self.name('c', index)
    }

    /// Returns the name of the same array, folded for these characters.
    fn folded(&mut self, field: &str, wanted: BTreeSet<char>) -> String {
        self.copied(field);
        let need = self.need(field);
        need.folded.get_or_insert_default().extend(wanted);
        let index = need.index;
        self.name('l', index)
    }

    fn name(&self, kind: char, index: usize) -> String {
        format!("r{}{kind}{index}", self.number)
    }

    fn share(&mut self, shared: Shared) -> &'static str {
        self.shared.insert(shared);
        shared.name()
    }

    /// Returns the named expressions, each after those it uses.
    fn with(self) -> Vec<(String, String)> {
        let mut shared = self.shared.clone();
        let mut own = Vec::new();
        for (field, need) in &self.fields {
            let name = |kind| self.name(kind, need.index);
            if need.texts || need.copies {
                shared.insert(Shared::Values);
                own.push((name('f'), values::texts(field, Shared::Values)));
            }
            if need.numbers {
                shared.insert(Shared::Numbers);
                own.push((name('n'), values::texts(field, Shared::Numbers)));
            }
            if need.copies {
                let decoded = match taxonomy::copies(field) {
                    Copies::Url => Shared::DecodedUrl,
                    Copies::Text | Copies::None => Shared::DecodedText,
                };
                shared.extend([decoded, Shared::Plain]);
                let (once, twice) = (name('d'), name('e'));
                let (decoded, plain) = (decoded.name(), Shared::Plain.name());
                own.push((once.clone(), format!("arrayMap(x -> {decoded}(x), {})", name('f'))));
                own.push((twice.clone(), format!("arrayMap(x -> {decoded}(x), {once})")));
                let all = format!(
                    "arrayConcat({}, {once}, {twice}, arrayMap(x -> {plain}(x), {twice}))",
                    name('f')
                );
                own.push((name('c'), all));
            }
            if let Some(wanted) = &need.folded {
                let from = name(if need.copies { 'c' } else { 'f' });
                own.push((name('l'), format!("arrayMap(x -> {}, {from})", fold_some(wanted))));
            }
        }
        let mut with: Vec<(String, String)> =
            shared.iter().map(|one| (one.name().to_owned(), one.expression())).collect();
        with.append(&mut own);
        with
    }

    /// Datasets and programs are compared as the text that the event holds, so rows whose column is
    /// only the nearest of several values are left out.
    fn source(&mut self, source: &Source) -> String {
        if source.all {
            return "1".to_owned();
        }
        if source.is_empty() {
            return "0".to_owned();
        }
        let only = |name: &str| format!("NOT mapContains(extra, {})", quote(name));
        let mut all = vec![
            format!("dataset IN ({})", quote_all(&source.datasets)),
            only(field::EVENT_DATASET),
        ];
        match &source.program {
            Some(Program::Named(names)) => {
                let names: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
                all.push(format!("lower(process_name) IN ({})", quote_all(&names)));
                all.push(only(field::PROCESS_NAME));
            }
            Some(Program::Starting(start)) => {
                let start = quote(&start.to_ascii_lowercase());
                all.push(format!("startsWith(lower(process_name), {start})"));
                all.push(only(field::PROCESS_NAME));
            }
            None => {}
        }
        for bound in &source.bounds {
            let values: Vec<_> = bound.values.iter().map(|one| one.to_ascii_lowercase()).collect();
            let texts = self.texts(bound.field);
            all.push(format!("arrayExists(x -> lower(x) IN ({}), {texts})", quote_all(&values)));
        }
        all.join(" AND ")
    }

    fn condition(&mut self, condition: &Condition) -> Result<String, Unsupported> {
        Ok(match condition {
            Condition::Search(index) => self.search(*index)?,
            Condition::And(parts) => {
                joined(parts.iter().map(|part| self.condition(part)), " AND ", "1")?
            }
            Condition::Or(parts) => {
                joined(parts.iter().map(|part| self.condition(part)), " OR ", "0")?
            }
            Condition::Not(part) => format!("NOT {}", self.condition(part)?),
            Condition::Of { quantifier, searches, .. } => {
                let searches = searches.iter().map(|index| self.search(*index));
                match quantifier {
                    Quantifier::Any => joined(searches, " OR ", "0")?,
                    Quantifier::All => joined(searches, " AND ", "1")?,
                }
            }
        })
    }

    fn search(&mut self, index: usize) -> Result<String, Unsupported> {
        let rule = self.rule;
        match rule.detection.searches.get(index) {
            Some(search) => self.body(&search.body),
            None => Ok("(0)".to_owned()),
        }
    }

    fn body(&mut self, body: &Body) -> Result<String, Unsupported> {
        match body {
            Body::All(parts) => joined(parts.iter().map(|part| self.body(part)), " AND ", "1"),
            Body::Any(parts) => joined(parts.iter().map(|part| self.body(part)), " OR ", "0"),
            Body::Item(item) => self.item(item),
        }
    }

    fn item(&mut self, item: &Item) -> Result<String, Unsupported> {
        let fields = match &item.field {
            Some(name) => vec![taxonomy::field_name(&self.rule.logsource, name).into_owned()],
            None => KEYWORD_FIELDS.map(str::to_owned).to_vec(),
        };
        let held = if item.all {
            let tests = item.tests.iter().map(|test| self.any(&fields, std::slice::from_ref(test)));
            joined(tests, " AND ", "1")?
        } else {
            self.any(&fields, &item.tests)?
        };
        Ok(if item.negated { format!("NOT {held}") } else { held })
    }

    /// Returns the condition that one of the tests holds on one of the fields.
    fn any(&mut self, fields: &[String], tests: &[Test]) -> Result<String, Unsupported> {
        joined(fields.iter().map(|field| self.any_on(field, tests)), " OR ", "0")
    }

    fn any_on(&mut self, field: &str, tests: &[Test]) -> Result<String, Unsupported> {
        let mut any = Vec::new();
        let (mut folded, mut cased) = (Patterns::default(), Patterns::default());
        let mut wanted = BTreeSet::new();
        let (mut on_texts, mut on_numbers) = (Vec::new(), Vec::new());
        let mut on_copies = Vec::new();
        let mut rest: Vec<&Test> = tests.iter().rev().collect();
        while let Some(test) = rest.pop() {
            match test {
                Test::AnyOf(tests) => rest.extend(tests.iter().rev()),
                Test::Text { pattern, cased: false } => folded.add(pattern, Some(&mut wanted)),
                Test::Text { pattern, cased: true } => cased.add(pattern, None),
                Test::Regex { source, flags } => {
                    let (condition, words) = regex::condition(source, *flags)?;
                    if words {
                        self.share(Shared::Word);
                    }
                    on_copies.push(condition);
                }
                Test::Number(number) => {
                    on_numbers.push(self.compare(rules_sigma::Comparison::Eq, *number));
                }
                Test::Compare { op, bound } => on_numbers.push(self.compare(*op, *bound)),
                Test::Bool(true) => on_texts.push("lower(x) = 'true'".to_owned()),
                Test::Bool(false) => on_texts.push("lower(x) = 'false'".to_owned()),
                Test::Cidr(cidr) => {
                    self.share(Shared::Address);
                    on_texts.push(numbers::within(cidr));
                }
                Test::TimePart { part, op, bound } => {
                    self.shared.extend([Shared::Whole, Shared::Broken, Shared::Seconds]);
                    on_numbers.push(numbers::time_part(*part, *op, *bound));
                }
                Test::Null => any.push(format!("NOT {}", values::has_value(field))),
                Test::Exists(true) => any.push(values::exists(field)),
                Test::Exists(false) => any.push(format!("NOT {}", values::exists(field))),
                Test::Field { field: other, place, cased } => {
                    any.push(self.agrees(field, other, *place, *cased));
                }
            }
        }
        if let Some(condition) = folded.condition() {
            let name = self.folded(field, wanted);
            any.push(format!("arrayExists(x -> {condition}, {name})"));
        }
        on_copies.extend(cased.condition());
        if !on_copies.is_empty() {
            let name = self.copied(field);
            any.push(format!("arrayExists(x -> {}, {name})", on_copies.join(" OR ")));
        }
        if !on_texts.is_empty() {
            let name = self.texts(field);
            any.push(format!("arrayExists(x -> {}, {name})", on_texts.join(" OR ")));
        }
        if !on_numbers.is_empty() {
            let name = self.numbers(field);
            any.push(format!("arrayExists(x -> {}, {name})", on_numbers.join(" OR ")));
        }
        joined(any.into_iter().map(Ok), " OR ", "0")
    }

    fn compare(&mut self, op: rules_sigma::Comparison, bound: rules_sigma::Number) -> String {
        self.share(Shared::Whole);
        self.share(Shared::Broken);
        numbers::compare(op, bound)
    }

    fn agrees(&mut self, field: &str, other: &str, place: Place, cased: bool) -> String {
        let other = taxonomy::field_name(&self.rule.logsource, other).into_owned();
        let (mut these, mut those) = (self.texts(field), self.texts(&other));
        if !cased {
            let fold = self.share(Shared::Folds);
            these = format!("arrayMap(x -> {fold}(x), {these})");
            those = format!("arrayMap(x -> {fold}(x), {those})");
        }
        let test = match place {
            Place::Whole => "x = y",
            Place::Inside => "position(x, y) > 0",
            Place::Start => "startsWith(x, y)",
            Place::End => "endsWith(x, y)",
        };
        format!("arrayExists(x -> arrayExists(y -> {test}, {those}), {these})")
    }
}

/// Joins conditions within brackets; `none` stands for no condition at all.
fn joined(
    parts: impl Iterator<Item = Result<String, Unsupported>>,
    operator: &str,
    none: &str,
) -> Result<String, Unsupported> {
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok(match parts.as_slice() {
        [] => none.to_owned(),
        [one] => one.clone(),
        many => format!("({})", many.join(operator)),
    })
}
