//! `why`: the verdict of a rule on an event as a tree.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use rules_event::Event;
use rules_service::exit::Exit;

use crate::args::WhyArgs;
use crate::paint::Paint;
use crate::target::{self, Target};

pub(crate) fn run(args: &WhyArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let as_path = Path::new(&args.rule);
    let by_path = args.rule.ends_with(".yml") || args.rule.ends_with(".yaml");
    let paths = if by_path { vec![PathBuf::from(as_path)] } else { args.paths.clone() };
    let target = Target::load(&paths)?;
    let index = match (by_path, target.set.rules().len()) {
        (true, 1) => 0,
        (true, count) => {
            // A file whose only rule is broken deserves to have its mistakes shown.
            for diagnostic in &target.diagnostics {
                writeln!(out, "{}", paint.rendered(&diagnostic.render()))?;
            }
            bail!("{} holds {count} rules; name one by id with --rules", args.rule);
        }
        (false, _) => find(&target, &args.rule)?,
    };
    let events = events(&args.event)?;
    let mut matched = true;
    for event in &events {
        let why = target.set.why(index, event);
        matched &= why.matched;
        writeln!(out, "{}", paint.rendered(&why.to_string()).trim_end())?;
    }
    Ok(if matched { Exit::Done } else { Exit::Problems })
}

fn find(target: &Target, name: &str) -> anyhow::Result<usize> {
    if let Some(index) = target.set.position(name) {
        return Ok(index);
    }
    if let Some(correlation) = target.correlation(name) {
        let rules = correlation.rules.join(", ");
        bail!(
            "'{name}' is a correlation and looks at no event itself; ask about its rules: {rules}"
        );
    }
    Err(anyhow!("no rule has the id or name '{name}'; 'vonglau-rules check' shows what is loaded"))
}

fn events(path: &Path) -> anyhow::Result<Vec<Event>> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
        text
    } else {
        target::read(path)?
    };
    // One event over several lines, or one a line.
    if let Ok(event) = agent_wire::parse_event(text.trim().as_bytes()) {
        return Ok(vec![event]);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let events: anyhow::Result<Vec<Event>> = lines
        .map(|(number, line)| {
            agent_wire::parse_event(line.as_bytes()).map_err(|reason| {
                anyhow!("{} line {}: not an event: {reason}", path.display(), number + 1)
            })
        })
        .collect();
    let events = events?;
    if events.is_empty() {
        bail!("{} holds no event", path.display());
    }
    Ok(events)
}
