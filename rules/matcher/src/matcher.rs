//! Matcher: compiled rules, asked for every event.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::Regex;
use rules_event::{Event, Level, QuickMap, field};
use rules_sigma::{Logsource, RegexFlags, compile_regex};
use smallvec::SmallVec;

use crate::assemble::{Kind, NO_TEXT, REGEX_WORDS, head, plan_at, rule_at};
use crate::fields::Fields;
use crate::image::{Image, ImageError};
use crate::naming::Naming;
use crate::run;
use crate::taxonomy::Source;

/// Compiled rules: gives verdicts, and knows of each rule what must travel with a hit. The rules as
/// written are kept by [`crate::RuleSet`].
pub struct Matcher {
    /// Tells this one from every other of the process, so that what threads remember of one is not
    /// taken for another's.
    pub(crate) number: u64,
    pub(crate) image: Image,
    naming: Naming,
    /// Compiled when first needed: most are never.
    regexes: Vec<OnceLock<Option<Regex>>>,
    plans: Vec<Plan>,
    by_dataset: QuickMap<String, Dataset>,
    /// The plan of what speaks of all events, by its place in the image. Every other plan serves its
    /// rules, too.
    of_all: Option<u32>,
}

/// The plans for the events of one dataset.
#[derive(Default)]
struct Dataset {
    plans: Vec<Candidate>,
    /// Where those that apply lie in the image, if that is the same for all events.
    always: Option<Vec<u32>>,
}

/// A plan of a dataset.
struct Candidate {
    /// Its number.
    plan: usize,
    /// Of the plans that serve this one's rules too, those of this dataset, by their place in it.
    covered_by: Vec<usize>,
}

/// Plans of a dataset that are looked at without memory of their own; some have more.
const CANDIDATES: usize = 32;

/// What the matcher does with the events of one logsource.
struct Plan {
    logsource: Logsource,
    source: Source,
    /// Where it lies in the image.
    at: u32,
    /// The plans that serve this one's rules too, where they apply.
    covered_by: Vec<usize>,
}

/// Where an event is from, told beside it; a part that is absent is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SourceOf<'a> {
    /// Such as `linux`.
    pub product: Option<&'a str>,
    /// Such as `sshd`.
    pub service: Option<&'a str>,
    /// Such as `process_creation`.
    pub category: Option<&'a str>,
}

impl SourceOf<'_> {
    /// Says whether a rule with this logsource speaks of events from this source.
    ///
    /// Spec: Sigma rules specification 2.1, "Log source": the parts given describe the log that the
    /// rule is meant for, so a source that does not say a part is not known to be that log.
    #[must_use]
    pub fn is_covered_by(&self, logsource: &Logsource) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        fits(&logsource.product, self.product)
            && fits(&logsource.service, self.service)
            && fits(&logsource.category, self.category)
    }
}

/// The rules that speak of one kind of event, looked up once per log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    plans: Vec<u32>,
}

impl Matcher {
    pub(crate) fn new(image: Image) -> Self {
        let words = image.words();
        let naming = if words[head::NAMING] == 0 { Naming::Ecs } else { Naming::Sigma };
        let regexes = (0..words[head::REGEX_COUNT]).map(|_| OnceLock::new()).collect();
        let mut kinds = Vec::new();
        for number in 0..words[head::PLAN_COUNT] {
            let at = words[head::PLANS] + number * plan_at::WORDS as u32;
            let parts = [plan_at::CATEGORY, plan_at::PRODUCT, plan_at::SERVICE].map(|place| {
                let place = at as usize + place;
                let (start, len) = (words[place], words[place + 1]);
                (len != NO_TEXT).then(|| text(&image, start, len).to_owned())
            });
            kinds.push((Kind::new(&parts, naming), at));
        }
        let covered_by = |index: usize| {
            let covers = |other: &(usize, &(Kind, u32))| {
                other.0 != index && kinds[index].0.covers(&other.1.0)
            };
            // Of two that cover each other the first stays.
            let stays = |other: usize| !kinds[other].0.covers(&kinds[index].0) || other < index;
            let covering = kinds.iter().enumerate().filter(covers).map(|(other, _)| other);
            covering.filter(|other| stays(*other)).collect::<Vec<usize>>()
        };
        let covered_by: Vec<Vec<usize>> = (0..kinds.len()).map(covered_by).collect();
        let mut by_dataset: QuickMap<String, Dataset> = QuickMap::default();
        let mut plans: Vec<Plan> = Vec::with_capacity(kinds.len());
        let mut of_all = None;
        for ((kind, at), covered_by) in kinds.into_iter().zip(covered_by) {
            let (logsource, source) = kind.into_parts();
            let source = source.unwrap_or_default();
            of_all = of_all.or(source.all.then_some(at));
            for dataset in &source.datasets {
                let candidate = Candidate { plan: plans.len(), covered_by: Vec::new() };
                by_dataset.entry(dataset.clone().into_owned()).or_default().plans.push(candidate);
            }
            plans.push(Plan { logsource, source, at, covered_by });
        }
        for dataset in by_dataset.values_mut() {
            dataset.settle(&plans);
        }
        // 0 is what a thread that has seen none remembers.
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self { number, image, naming, regexes, plans, by_dataset, of_all }
    }

    /// Reads what [`Matcher::to_image`] wrote.
    ///
    /// # Errors
    /// When the bytes are no image, of another version, or damaged: the rules must be compiled again.
    pub fn from_image(bytes: Vec<u8>) -> Result<Self, ImageError> {
        let image = Image::read(bytes)?;
        if image.words().len() < head::WORDS {
            return Err(ImageError::Damaged);
        }
        Ok(Self::new(image))
    }

    /// Returns the compiled rules as bytes to be stored. The checksum in them guards against damage,
    /// not against forgery: keep them where only the program can write.
    #[must_use]
    pub fn to_image(&self) -> &[u8] {
        self.image.bytes()
    }

    /// Replaces `out` by the indexes of the rules that match an event under our own names, ascending.
    pub fn hits(&self, event: &Event, out: &mut Vec<usize>) {
        out.clear();
        let dataset = event.get_str(field::EVENT_DATASET).unwrap_or_default();
        let dataset = self.by_dataset.get(dataset);
        if let Some(always) = dataset.and_then(|it| it.always.as_ref()) {
            self.run(always.iter().copied(), event, out);
            return;
        }
        let candidates = dataset.map(|it| it.plans.as_slice()).unwrap_or_default();
        let program = event.get_str(field::PROCESS_NAME);
        let admits = |it: &Candidate| self.plans[it.plan].source.admits_program(program, event);
        let admitted: SmallVec<[bool; CANDIDATES]> = candidates.iter().map(admits).collect();
        let needed = dataset.into_iter().flat_map(|it| it.needed(&self.plans, &admitted));
        self.run(needed, event, out);
    }

    /// Asks the plans that are needed of those for an event; what speaks of all events is in each of them,
    /// and has one of its own where there is none.
    fn run(&self, plans: impl Iterator<Item = u32>, event: &Event, out: &mut Vec<usize>) {
        let mut plans = plans.peekable();
        match (plans.peek(), self.of_all) {
            (None, None) => {}
            (None, Some(plan)) => run::run(self, std::iter::once(plan), event, out),
            (Some(_), _) => run::run(self, plans, event, out),
        }
    }

    /// Finds the rules that speak of events from a source: those each part of whose logsource is
    /// absent or equal to the source's.
    #[must_use]
    pub fn select(&self, source: &SourceOf<'_>) -> Selection {
        let fits = |plan: &usize| source.is_covered_by(&self.plans[*plan].logsource);
        let needed = |plan: &usize| fits(plan) && !self.plans[*plan].covered_by.iter().any(fits);
        let plans = (0..self.plans.len()).filter(needed).map(|plan| self.plans[plan].at);
        Selection { plans: plans.collect() }
    }

    /// Returns the selection of all rules, whatever their logsource.
    #[must_use]
    pub fn select_all(&self) -> Selection {
        Selection { plans: self.plans.iter().map(|plan| plan.at).collect() }
    }

    /// Replaces `out` by the indexes of the selected rules that match an event, ascending.
    pub fn hits_in(&self, selection: &Selection, event: &impl Fields, out: &mut Vec<usize>) {
        out.clear();
        run::run(self, selection.plans.iter().copied(), event, out);
    }

    /// Returns how many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.image.words()[head::RULE_COUNT] as usize
    }

    /// Says whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the id of a rule.
    #[must_use]
    pub fn id(&self, rule: usize) -> &str {
        self.rule_text(rule, rule_at::ID).unwrap_or_default()
    }

    /// Returns the name of a rule, if it has one.
    #[must_use]
    pub fn name(&self, rule: usize) -> Option<&str> {
        self.rule_text(rule, rule_at::NAME)
    }

    /// Returns the title of a rule.
    #[must_use]
    pub fn title(&self, rule: usize) -> &str {
        self.rule_text(rule, rule_at::TITLE).unwrap_or_default()
    }

    /// Returns the level of a rule.
    #[must_use]
    pub fn level(&self, rule: usize) -> Level {
        let level = self.rule_words(rule).and_then(|words| words.get(rule_at::LEVEL).copied());
        Level::from_rank(level.and_then(|level| u8::try_from(level).ok()).unwrap_or(0))
    }

    /// Says whether events that a rule hits must be held back (`custom.vonglau.quarantine`).
    #[must_use]
    pub fn quarantines(&self, rule: usize) -> bool {
        self.rule_words(rule).is_some_and(|words| words[rule_at::QUARANTINE] != 0)
    }

    /// Returns for how many seconds equal alerts of a rule are held back after one
    /// (`custom.vonglau.suppress`), and the fields that must be equal, each followed by a line end.
    #[must_use]
    pub fn suppress(&self, rule: usize) -> Option<(u32, &str)> {
        let seconds = self.rule_words(rule)?[rule_at::SUPPRESS];
        let by = self.rule_text(rule, rule_at::SUPPRESS_BY).unwrap_or_default();
        (seconds > 0).then_some((seconds, by))
    }

    /// Returns the names that events must bear.
    #[must_use]
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// Returns 16 hexadecimal digits that are equal for equal sets of rules.
    #[must_use]
    pub fn identity(&self) -> &str {
        let words = self.image.words();
        text(&self.image, words[head::IDENTITY], words[head::IDENTITY + 1])
    }

    /// Returns the bytes that the compiled rules take up.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.image.memory()
    }

    fn rule_words(&self, rule: usize) -> Option<&[u32]> {
        let words = self.image.words();
        let at = words[head::RULES] as usize + rule * rule_at::WORDS;
        (rule < self.len()).then(|| &words[at..at + rule_at::WORDS])
    }

    fn rule_text(&self, rule: usize, place: usize) -> Option<&str> {
        let words = self.rule_words(rule)?;
        let (at, len) = (words[place], words[place + 1]);
        (len != NO_TEXT).then(|| text(&self.image, at, len))
    }

    /// Returns a regular expression by its number, compiled now if it was not before.
    pub(crate) fn regex(&self, number: u32) -> Option<&Regex> {
        self.regexes[number as usize]
            .get_or_init(|| {
                let words = self.image.words();
                let at = words[head::REGEXES] as usize + number as usize * REGEX_WORDS;
                let flags = words[at + 2];
                let flags = RegexFlags {
                    ignore_case: flags & 1 != 0,
                    multi_line: flags & 2 != 0,
                    dot_all: flags & 4 != 0,
                };
                // The parser has checked it; what does not compile all the same never matches.
                compile_regex(text(&self.image, words[at], words[at + 1]), flags).ok()
            })
            .as_ref()
    }
}

fn text(image: &Image, at: u32, len: u32) -> &str {
    let bytes = image.pool().get(at as usize..).and_then(|rest| rest.get(..len as usize));
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

impl Dataset {
    /// Sees which plans serve which here, once all are known.
    fn settle(&mut self, plans: &[Plan]) {
        let numbers: Vec<usize> = self.plans.iter().map(|it| it.plan).collect();
        for candidate in &mut self.plans {
            let covered_by = plans.get(candidate.plan).map(|plan| plan.covered_by.as_slice());
            let places = covered_by.unwrap_or_default().iter();
            let places = places.filter_map(|by| numbers.iter().position(|number| number == by));
            candidate.covered_by = places.collect();
        }
        let is_bound = |it: &Candidate| plans.get(it.plan).is_some_and(|it| it.source.is_bound());
        if !self.plans.iter().any(is_bound) {
            let admitted = vec![true; self.plans.len()];
            self.always = Some(self.needed(plans, &admitted).collect());
        }
    }

    /// Returns where the plans lie that are needed of those that speak of an event: a narrower one serves
    /// a wider one's rules, too, but only for events it speaks of.
    fn needed<'a>(
        &'a self,
        plans: &'a [Plan],
        admitted: &'a [bool],
    ) -> impl Iterator<Item = u32> + 'a {
        let is_needed = |(it, is_admitted): &(&Candidate, &bool)| {
            **is_admitted && !it.covered_by.iter().any(|by| admitted.get(*by) == Some(&true))
        };
        let needed = self.plans.iter().zip(admitted).filter(is_needed);
        needed.filter_map(|(it, _)| plans.get(it.plan).map(|plan| plan.at))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("identity", &self.identity())
            .field("rules", &self.len())
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}
