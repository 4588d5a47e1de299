//! Matcher: compiled rules, asked for every event.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use regex::Regex;
use rules_event::{Event, Level, QuickMap, field};
use rules_sigma::{Logsource, RegexFlags, compile_regex};

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
    by_dataset: QuickMap<String, Vec<usize>>,
    /// The plan of what speaks of all events, by its place in the image. Every other plan serves its
    /// rules, too.
    of_all: Option<u32>,
}

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
        let mut by_dataset: QuickMap<String, Vec<usize>> = QuickMap::default();
        let mut plans: Vec<Plan> = Vec::with_capacity(kinds.len());
        let mut of_all = None;
        for ((kind, at), covered_by) in kinds.into_iter().zip(covered_by) {
            let (logsource, source) = kind.into_parts();
            let source = source.unwrap_or_default();
            of_all = of_all.or(source.all.then_some(at));
            for dataset in &source.datasets {
                by_dataset.entry(dataset.clone().into_owned()).or_default().push(plans.len());
            }
            plans.push(Plan { logsource, source, at, covered_by });
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
        let plans = self.by_dataset.get(dataset).map_or(&[][..], Vec::as_slice);
        let admits = |plan: &usize| self.plans[*plan].source.admits_rest(event);
        // A narrower plan serves this one's rules only for events of its own datasets.
        let serves = |plan: &usize| plans.contains(plan) && admits(plan);
        let needed =
            |plan: &&usize| admits(plan) && !self.plans[**plan].covered_by.iter().any(serves);
        let mut admitted = plans.iter().filter(needed).map(|plan| self.plans[*plan].at).peekable();
        match (admitted.peek(), self.of_all) {
            (None, None) => {}
            (None, Some(plan)) => run::run(self, std::iter::once(plan), event, out),
            (Some(_), _) => run::run(self, admitted, event, out),
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

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("identity", &self.identity())
            .field("rules", &self.len())
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}
