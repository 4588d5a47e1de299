//! Any text as a condition: what the parser accepts means what a second, plain reading of the
//! grammar says, for every combination of searches that hold.
//!
//! Spec: Sigma rules specification 2.1, "Condition": precedence from low to high is `or`, `and`,
//! `not`, `1 of` / `all of`, parentheses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules_event::Event;
use rules_matcher::RuleSet;
use rules_sigma::{Document, Severity, parse_file};

/// The searches of the rule; one whose name starts with `_` is left out of `them`.
const SEARCHES: [&str; 4] = ["sel_a", "sel_b", "filter", "_off"];

fuzz_target!(|condition: &str| {
    if condition.contains(['\n', '\r']) || condition.len() > 400 {
        return;
    }
    let mut text = String::from(
        "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
         logsource: {product: vonglau, service: fuzz}\ndetection:\n",
    );
    for search in SEARCHES {
        text.push_str(&format!("  {search}: {{f.{search}: x}}\n"));
    }
    text.push_str(&format!("  condition: '{}'\n", condition.replace('\'', "''")));
    let parsed = parse_file("fuzz.yml", &text);
    for diagnostic in &parsed.diagnostics {
        assert!(!diagnostic.render().is_empty());
    }
    let Some(Document::Rule(rule)) = parsed.documents.into_iter().next() else {
        assert!(parsed.diagnostics.iter().any(|it| it.severity == Severity::Error), "{text}");
        return;
    };
    let (set, _) = RuleSet::compile(vec![rule]);
    let mut hits = Vec::new();
    for truth in 0_u8..16 {
        let holds = |search: usize| truth & (1 << search) != 0;
        let mut event = Event::default();
        event.set("event.dataset", "fuzz");
        for (index, search) in SEARCHES.iter().enumerate() {
            if holds(index) {
                event.set(format!("f.{search}"), "x");
            }
        }
        set.hits(&event, &mut hits);
        let expected = Reading { rest: condition, holds: &holds }.whole();
        assert_eq!(Some(!hits.is_empty()), expected, "{condition:?} with {truth:04b}");
        assert_eq!(Some(set.why(0, &event).matched), expected, "{condition:?} with {truth:04b}");
    }
});

/// A recursive reading of the grammar that computes the truth as it goes.
struct Reading<'c> {
    rest: &'c str,
    holds: &'c dyn Fn(usize) -> bool,
}

impl<'c> Reading<'c> {
    fn whole(mut self) -> Option<bool> {
        let truth = self.or()?;
        self.peek().is_none().then_some(truth)
    }

    fn or(&mut self) -> Option<bool> {
        let mut truth = self.and()?;
        while self.take_word("or") {
            truth |= self.and()?;
        }
        Some(truth)
    }

    fn and(&mut self) -> Option<bool> {
        let mut truth = self.not()?;
        while self.take_word("and") {
            truth &= self.not()?;
        }
        Some(truth)
    }

    fn not(&mut self) -> Option<bool> {
        if self.take_word("not") {
            return self.not().map(|truth| !truth);
        }
        let word = self.take()?;
        if word == "(" {
            let truth = self.or()?;
            return (self.take()? == ")").then_some(truth);
        }
        let before = self.rest;
        if self.take_word("of") {
            let all = match word.to_ascii_lowercase().as_str() {
                "all" => true,
                "1" | "any" => false,
                _ => return None,
            };
            let pattern = self.take()?;
            let mut wanted = (0..SEARCHES.len()).filter(|index| selects(pattern, SEARCHES[*index]));
            return Some(if all { wanted.all(self.holds) } else { wanted.any(self.holds) });
        }
        self.rest = before;
        SEARCHES.iter().position(|search| *search == word).map(|index| (self.holds)(index))
    }

    fn peek(&self) -> Option<&'c str> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        if matches!(first, '(' | ')') {
            return Some(&rest[..1]);
        }
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        Some(&rest[..end.unwrap_or(rest.len())])
    }

    fn take(&mut self) -> Option<&'c str> {
        let word = self.peek()?;
        self.rest = &self.rest.trim_start()[word.len()..];
        Some(word)
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        if found {
            self.take();
        }
        found
    }
}

/// Says whether `them` or a pattern with `*` speaks of a search.
fn selects(pattern: &str, name: &str) -> bool {
    if pattern.eq_ignore_ascii_case("them") {
        return !name.starts_with('_');
    }
    // reach[i]: what was read of the pattern can end after i bytes of the name.
    let mut reach = vec![false; name.len() + 1];
    reach[0] = true;
    for wanted in pattern.bytes() {
        if wanted == b'*' {
            for index in 1..reach.len() {
                reach[index] |= reach[index - 1];
            }
            continue;
        }
        for index in (1..reach.len()).rev() {
            reach[index] = reach[index - 1] && name.as_bytes()[index - 1] == wanted;
        }
        reach[0] = false;
    }
    reach[name.len()]
}
