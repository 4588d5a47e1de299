//! Pipeline: one item in, one event out for each of its records.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_inputs::{Item, Line, Sample, SourceMeta};
use agent_wire::SourceHash;
use arc_swap::ArcSwapOption;
use rules_event::{Event, Level, Timestamp, Value, encode_lossless, field};
use rules_matcher::Matcher;

use crate::clock::Clock;
use crate::decode::{self, Context, Headers, LogFacts};
use crate::detect::{Detector, Hits, InForce};
use crate::host::{Host, Hosts};
use crate::policy::{Arrival, Course, Fate, Flow};
use crate::quarantine::{self, DigestKey};
use crate::redact::{Hidden, Redactor, Tally};

/// What is true of every event of this agent.
#[derive(Debug, Clone)]
pub struct AgentFacts {
    /// Agent id as bytes: part of every event id.
    pub agent_id: [u8; 16],
    /// The same as text (`agent.id`).
    pub agent_id_text: String,
    /// The host the agent runs on (`host.name`).
    pub host: String,
    /// Organisation code of the agency (`organization.id`).
    pub organization: Option<String>,
    /// The information system (hệ thống thông tin) the host belongs to (`vonglau.system.id`); that of a
    /// source stands over it.
    pub system: Option<String>,
    /// Zone of times written without one; see [`crate::timezone`].
    pub timezone: jiff::tz::TimeZone,
}

/// Decodes items into events and attaches the rules that hit. Cheap to share between threads; each
/// brings a [`Scratch`] of its own.
pub struct Pipeline {
    agent: AgentFacts,
    detector: Detector,
    headers: Headers,
    hosts: Hosts,
    flow: Arc<Flow>,
    digest_key: DigestKey,
    redactor: ArcSwapOption<Redactor>,
    /// Moves on with every change of what is known of a source.
    settings: AtomicU64,
    redactions: Arc<Tally>,
}

/// A decoded record.
#[derive(Debug, Clone, Copy)]
pub struct Processed<'a> {
    /// The event, with its id, its fields and its hits.
    pub event: &'a Event,
    /// Highest level among the rules that hit; `None` without a hit.
    pub level: Option<Level>,
    /// How many rules hit.
    pub hits: usize,
    /// What is to become of it.
    pub fate: Fate,
    /// Whether it is the stub of a record that is held back.
    pub quarantined: bool,
}

/// What a thread keeps from record to record, so that none needs memory of its own. Belongs to the
/// pipeline it was first used with: it remembers its host.
#[derive(Default)]
pub struct Scratch {
    ids: Ids,
    /// The record being worked on. The fields that are the same for all records of the source are kept
    /// in it.
    event: Event,
    hits: Hits,
    clock: Clock,
    source: Option<Known>,
}

/// Of which records of a file or a listener the id is made. It is a hash, and follows from the record's
/// [origin](Event::origin): whoever does not show it need not make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Ids {
    /// Of those that cannot do without: drawn by chance, or held back.
    Needed,
    /// Of those that a rule hit, too.
    Hits,
    /// Of all.
    #[default]
    All,
}

impl Scratch {
    /// Says of which records the ids are made from now on.
    pub fn identify(&mut self, ids: Ids) {
        self.ids = ids;
    }
}

/// A source, with what its records have in common.
struct Known {
    meta: Arc<SourceMeta>,
    hash: SourceHash,
    log: LogFacts,
    /// Fields of the event that are the same for all.
    fields: usize,
    /// Hides secrets in its records; `None` where they are taken as they are.
    redactor: Option<Arc<Redactor>>,
    /// Number of the settings under which this was found out.
    settings: u64,
}

/// Says whether what follows an item may be understood by it: the head of a log that names its columns
/// begins with `#`. Such an item is to be worked on alone, others in any order.
#[must_use]
pub fn is_head(item: &Item) -> bool {
    match item {
        Item::Lines(lines) => lines.iter().any(|line| line.bytes.first() == Some(&b'#')),
        Item::Entry(_) | Item::Sample(_) => false,
    }
}

/// By what a record of a source is known.
enum Place<'a> {
    Offset(u64),
    Cursor(&'a str),
}

impl Pipeline {
    /// Returns a pipeline; without rules it only decodes.
    #[must_use]
    pub fn new(agent: AgentFacts, rules: Option<Arc<Matcher>>) -> Self {
        Self {
            agent,
            detector: Detector::new(rules),
            headers: Headers::default(),
            hosts: Hosts::default(),
            flow: Arc::default(),
            digest_key: DigestKey::default(),
            redactor: ArcSwapOption::empty(),
            settings: AtomicU64::new(0),
            redactions: Arc::default(),
        }
    }

    /// Decides by these policies what becomes of events; without them every event is kept.
    #[must_use]
    pub fn with_flow(self, flow: Arc<Flow>) -> Self {
        Self { flow, ..self }
    }

    /// Makes the digests of records that are held back with this key.
    #[must_use]
    pub fn with_digest_key(self, digest_key: DigestKey) -> Self {
        Self { digest_key, ..self }
    }

    /// Hides secrets in all records, from the first on.
    #[must_use]
    pub fn with_redactor(self, redactor: Redactor) -> Self {
        self.swap_redactor(redactor);
        self
    }

    /// Puts another redactor in force, from the next item on.
    pub fn swap_redactor(&self, redactor: Redactor) {
        self.redactor.store(Some(Arc::new(redactor)));
        self.settings.fetch_add(1, Ordering::Release);
    }

    /// Returns how many records had something hidden, by kind.
    #[must_use]
    pub fn redactions(&self) -> Arc<Tally> {
        Arc::clone(&self.redactions)
    }

    /// Asks the host for names and programs behind the numbers of audit records.
    #[must_use]
    pub fn with_host(self, host: Arc<dyn Host>) -> Self {
        Self { hosts: Hosts::new(host), ..self }
    }

    /// Decodes the records of one item in order, attaches their hits and hands each to `take`. Never
    /// fails by itself: what no decoder understands is an event of dataset `text` that holds the line.
    ///
    /// # Errors
    /// The first of `take`; what follows is not decoded.
    pub fn process<E>(
        &self,
        item: Item,
        scratch: &mut Scratch,
        mut take: impl FnMut(Processed<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let rules = self.detector.in_force();
        match item {
            Item::Lines(lines) => {
                let course = self.course(&lines.source);
                lines.iter().try_for_each(|line| {
                    let source = &lines.source;
                    take(self.judged(&rules, &course, source, lines.read_at, line, scratch))
                })
            }
            Item::Entry(entry) => {
                let place = Place::Cursor(&entry.cursor);
                self.decode(scratch, &entry.source, entry.read_at, &place, &entry.bytes);
                let raw = Raw {
                    bytes: &entry.bytes,
                    cursor: Some(&entry.cursor),
                    read_at: entry.read_at,
                    hash: None,
                    ids: scratch.ids,
                };
                let course = self.course(&entry.source);
                take(self.judge(&rules, &course, raw, &mut scratch.event, &mut scratch.hits))
            }
            Item::Sample(sample) => {
                let mut event = self.complete(sample);
                let course = self.flow.course_of_sample(&event);
                let text = event.get_str(field::MESSAGE).unwrap_or_default().to_owned();
                let raw = Raw {
                    bytes: text.as_bytes(),
                    cursor: None,
                    read_at: event.time,
                    hash: None,
                    ids: scratch.ids,
                };
                take(self.judge(&rules, &course, raw, &mut event, &mut scratch.hits))
            }
        }
    }

    /// Decodes one line of a log and attaches its hits.
    pub fn line<'a>(
        &self,
        source: &Arc<SourceMeta>,
        read_at: Timestamp,
        line: Line<'_>,
        scratch: &'a mut Scratch,
    ) -> Processed<'a> {
        let course = Course::default();
        self.judged(&self.detector.in_force(), &course, source, read_at, line, scratch)
    }

    fn course(&self, source: &SourceMeta) -> Course {
        let name = source.path.as_deref().or(source.address.as_deref()).unwrap_or(&source.key);
        self.flow.course(source.policy, &source.key, name)
    }

    fn judged<'a>(
        &self,
        rules: &InForce,
        course: &Course,
        source: &Arc<SourceMeta>,
        read_at: Timestamp,
        line: Line<'_>,
        scratch: &'a mut Scratch,
    ) -> Processed<'a> {
        self.decode(scratch, source, read_at, &Place::Offset(line.offset), line.bytes);
        if line.truncated {
            scratch.event.set(field::VONGLAU_TRUNCATED, true);
        }
        let Scratch { ids, event, hits, source, .. } = scratch;
        let hash = source.as_ref().map(|known| &known.hash);
        let raw = Raw { bytes: line.bytes, cursor: None, read_at, hash, ids: *ids };
        self.judge(rules, course, raw, event, hits)
    }

    /// Shows the event to the rules and decides what becomes of it. What carries a mark of state
    /// secrets is a stub from here on, whoever asked: what comes after never sees the record.
    fn judge<'a>(
        &self,
        rules: &InForce,
        course: &Course,
        raw: Raw<'_>,
        event: &'a mut Event,
        hits: &mut Hits,
    ) -> Processed<'a> {
        let level = rules.attach(event, hits);
        let matcher = rules.matcher();
        let is_secret = |rules: &Matcher| hits.rules.iter().any(|rule| rules.quarantines(*rule));
        let quarantined = level.is_some() && matcher.is_some_and(is_secret);
        let needed = quarantined || (level.is_some() && raw.ids == Ids::Hits) || !course.is_plain();
        if let (true, Some(hash), Some((_, offset))) = (needed, raw.hash, event.origin())
            && event.id.is_empty()
        {
            hash.of_offset(offset, &mut event.id);
        }
        let fate = if quarantined {
            quarantine::hold_back(event, raw.bytes, raw.cursor, &self.digest_key);
            Fate::Alerts
        } else {
            let arrival = Arrival { read_at: raw.read_at, bytes: raw.bytes.len() };
            self.flow.decide(course, matcher, &hits.rules, arrival, event)
        };
        Processed { event, level, hits: hits.rules.len(), fate, quarantined }
    }

    /// Puts another rule set in force, from the next item on.
    pub fn swap_rules(&self, rules: Arc<Matcher>) {
        self.detector.swap(rules);
    }

    /// Turns the bytes of a record into the event of `scratch`. What must not be stored (secrets) is
    /// taken out of the text before anything is made of it.
    fn decode(
        &self,
        scratch: &mut Scratch,
        source: &Arc<SourceMeta>,
        read_at: Timestamp,
        place: &Place<'_>,
        bytes: &[u8],
    ) {
        let settings = self.settings.load(Ordering::Acquire);
        let is_same = |it: &Known| Arc::ptr_eq(&it.meta, source) && it.settings == settings;
        if !scratch.source.as_ref().is_some_and(is_same) {
            scratch.source = Some(self.know(&mut scratch.event, source, settings));
        }
        let Scratch { event, source: Some(known), clock, ids, .. } = &mut *scratch else { return };
        event.reset(read_at);
        let (text, escaped) = encode_lossless(bytes);
        let (mut text, mut hidden) = match &known.redactor {
            Some(redactor) => redactor.redact(&text),
            None => (Cow::Borrowed(text.as_ref()), Hidden::default()),
        };
        let context = Context {
            read_at,
            zone: &self.agent.timezone,
            clock,
            format: source.format,
            path: source.path.as_deref(),
            log: &known.log,
            source: &source.key,
            headers: &self.headers,
        };
        let decode = |text: &str, event: &mut Event| {
            event.decoded_from(text, |event| {
                decode::line(text, &context, event);
                if event.get_str(field::EVENT_DATASET) == Some("auditd.log") {
                    self.hosts.complete(event, read_at, &self.agent.host);
                }
                if let Some(dataset) = &source.dataset {
                    event.set_text(field::EVENT_DATASET, dataset);
                }
                event.set_text(field::EVENT_ORIGINAL, text);
            });
        };
        decode(&text, event);
        if let Some(redactor) = &known.redactor
            && let Some((line, more)) = redactor.redact_columns(event, &text)
        {
            // Only the head of its log said that a column is secret: decoded anew without it.
            (text, hidden) = (Cow::Owned(line), hidden | more);
            event.reset(read_at);
            decode(&text, event);
        }
        if escaped {
            event.set(field::VONGLAU_ESCAPED, true);
        }
        if let Some(redactor) = known.redactor.as_ref().filter(|_| !hidden.is_empty()) {
            self.mark(redactor, hidden, event);
        }
        let is_known = event.kept() == known.fields;
        match place {
            Place::Offset(offset) => {
                event.set_offset(*offset);
                // Of a source that is forgotten nobody could make it later.
                if *ids == Ids::All || !is_known {
                    known.hash.of_offset(*offset, &mut event.id);
                }
                if source.path.is_some() {
                    event.set(field::LOG_OFFSET, i64::try_from(*offset).unwrap_or(i64::MAX));
                }
            }
            Place::Cursor(cursor) => known.hash.of_cursor(cursor, &mut event.id),
        }
        if !is_known {
            // The log spoke of what only the agent knows: the agent's word counts.
            self.sign(event, Some(source));
            scratch.source = None;
        }
    }

    /// Begins another source: the event then holds what all its records have in common.
    fn know(&self, event: &mut Event, source: &Arc<SourceMeta>, settings: u64) -> Known {
        event.keep_none();
        event.reset(Timestamp::default());
        event.set_source(Some(source.key.as_str().into()));
        self.sign(event, Some(source));
        event.keep();
        let hash = SourceHash::new(&self.agent.agent_id, &source.key);
        let log = LogFacts::of(source.format, source.path.as_deref());
        let redactor = self.redactor.load_full();
        let redactor = redactor.filter(|it| !it.passes(source.path.as_deref()));
        Known { meta: Arc::clone(source), hash, log, fields: event.kept(), redactor, settings }
    }

    /// Says in the event, and counts, what was hidden in it.
    #[cold]
    fn mark(&self, redactor: &Redactor, hidden: Hidden, event: &mut Event) {
        let kinds = redactor.names(hidden).map(Value::text).collect();
        event.set(field::VONGLAU_REDACTED, Value::List(kinds));
        self.redactions.note(redactor, hidden);
    }

    /// Gives a sample its id: its instance stands for the source, its time for the offset.
    fn complete(&self, sample: Sample) -> Event {
        let Sample { event: mut sample, instance } = sample;
        let source = format!("sample{instance}");
        let offset = u64::try_from(sample.time.as_nanos()).unwrap_or_default();
        SourceHash::new(&self.agent.agent_id, &source).of_offset(offset, &mut sample.id);
        if let Some(redactor) = self.redactor.load_full().filter(|it| !it.passes(None)) {
            let hidden = redactor.redact_fields(&mut sample);
            if !hidden.is_empty() {
                self.mark(&redactor, hidden, &mut sample);
            }
        }
        if sample.get(field::MESSAGE).is_none() {
            let message = summary(&sample);
            sample.set(field::MESSAGE, message);
        }
        self.sign(&mut sample, None);
        sample
    }

    /// Sets what the agent knows of itself and of the source.
    fn sign(&self, event: &mut Event, source: Option<&SourceMeta>) {
        event.set_text(field::AGENT_HOST, &self.agent.host);
        event.set_text(field::AGENT_ID, &self.agent.agent_id_text);
        if let Some(organization) = &self.agent.organization {
            event.set_text(field::ORGANIZATION_ID, organization);
        }
        if let Some(path) = source.and_then(|source| source.path.as_deref()) {
            event.set_text(field::LOG_FILE_PATH, path);
        }
        if let Some(address) = source.and_then(|source| source.address.as_deref()) {
            event.set_text(field::LOG_SOURCE_ADDRESS, address);
        }
        if let Some(command) = source.and_then(|source| source.command.as_deref()) {
            event.set_text(field::VONGLAU_EXEC_NAME, command);
        }
        let system = source.and_then(|source| source.system.as_deref());
        if let Some(system) = system.or(self.agent.system.as_deref()) {
            event.set_text(field::VONGLAU_SYSTEM_ID, system);
        }
    }
}

/// A record as it was read.
struct Raw<'a> {
    bytes: &'a [u8],
    cursor: Option<&'a str>,
    read_at: Timestamp,
    /// Begins its id, where that may not be made yet.
    hash: Option<&'a SourceHash>,
    ids: Ids,
}

/// `host: host.cpu.usage=0.25 …`, for people who read events as lines.
fn summary(sample: &Event) -> String {
    let mut text = sample.get_str("metricset.name").unwrap_or("sample").to_owned();
    text.push(':');
    for (name, value) in sample.fields() {
        if !name.starts_with("event.") && name != "metricset.name" {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    text
}
