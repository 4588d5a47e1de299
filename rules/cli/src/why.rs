//! `why`: the verdict of a rule on an event as a tree.

mod correlation;

use std::io::Write;

use anyhow::bail;
use rules_matcher::{Explanation, Naming, RuleSet, SourceOf, Step};
use rules_service::exit::Exit;
use serde_json::{Value, json};

use crate::args::{Format, WhyArgs};
use crate::events;
use crate::paint::Paint;
use crate::sigma_event;
use crate::target::{Asked, Target};

pub(crate) fn run(args: &WhyArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (target, asked) = Target::of(&args.rule, &args.paths)?;
    let events = events::read(&args.event)?;
    let index = match asked {
        Asked::Rule(index) => index,
        Asked::Correlation(it) => {
            anyhow::ensure!(
                args.logsource.is_none(),
                "a correlation is asked about events as agents decode them, without --logsource"
            );
            return correlation::run(&target, &it, events, args.format, paint, out);
        }
    };
    let foreign = args.logsource.as_deref().map(|text| Foreign::new(&target, index, text));
    let foreign = foreign.transpose()?;
    let mut matched = true;
    for event in events {
        let why = match &foreign {
            Some(foreign) => foreign.why(event),
            None => target.set.why(index, &event),
        };
        matched &= why.matched;
        match args.format {
            Format::Text => writeln!(out, "{}", paint.rendered(&why.to_string()).trim_end())?,
            Format::Json => writeln!(out, "{}", to_json(&why))?,
        }
    }
    Ok(if matched { Exit::Done } else { Exit::Problems })
}

/// The rule compiled for events under Sigma's own names, and where they are said to come from.
struct Foreign {
    set: RuleSet,
    text: String,
    covered: bool,
}

impl Foreign {
    fn new(target: &Target, index: usize, text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let &[product, service, category] = parts.as_slice() else {
            bail!(
                "'{text}' is no logsource; write product/service/category, such as \
                 windows//process_creation"
            )
        };
        let part = |part: &'_ str| (!matches!(part, "" | "-")).then(|| part.to_owned());
        let (product, service, category) = (part(product), part(service), part(category));
        let source = SourceOf {
            product: product.as_deref(),
            service: service.as_deref(),
            category: category.as_deref(),
        };
        let rule = target.set.rules().get(index).cloned();
        let Some(rule) = rule else { bail!("no rule was found") };
        let covered = source.is_covered_by(&rule.logsource);
        let (set, _) = RuleSet::compile_as(vec![rule], Naming::Sigma);
        Ok(Self { set, text: text.to_owned(), covered })
    }

    fn why(&self, event: rules_event::Event) -> Explanation {
        let mut why = self.set.why(0, &sigma_event::named(event));
        let fits = if self.covered { "fits" } else { "is another" };
        let text = format!("logsource: the one given, {}, {fits}", self.text);
        why.logsource = Step { holds: self.covered, text, children: Vec::new() };
        why.matched = self.covered && why.condition.holds;
        why
    }
}

fn to_json(why: &Explanation) -> Value {
    json!({
        "rule": why.rule_id,
        "title": why.title,
        "matched": why.matched,
        "logsource": step(&why.logsource),
        "condition": step(&why.condition),
    })
}

fn step(it: &Step) -> Value {
    let children: Vec<Value> = it.children.iter().map(step).collect();
    json!({ "holds": it.holds, "text": it.text, "children": children })
}
