//! Table: all groups of all correlations, and which of them goes when there are too many.
//!
//! Groups lie in chunks that never move. Who is least worth keeping is known by one queue for each
//! progress, in the order of joining it; a group that was hit since it was queued gets a second turn
//! when its turn comes, so that a hit need not touch the queue at all. When windows are over is
//! known by a wheel of coarse buckets, looked at again in the same lazy way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::definition::Definition;
use crate::group::Progress;
use crate::life::Life;

/// Keys up to this length lie with their group: a name of a host and an IPv4 address, and their lengths.
const KEY_INLINE: usize = 32;
/// Groups in one chunk.
const CHUNK: usize = 1_024;
/// The width of a bucket of the wheel: 2 to the 36th nanoseconds, a good minute.
const BUCKET_BITS: u32 = 36;
/// Groups whose bucket is over that are looked at with each observation.
const SWEPT_PER_OBSERVATION: usize = 4;

/// A group by where it lies, and the observation it was made by: places are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle {
    slot: u32,
    born: u64,
}

/// A group and what the table knows of it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) life: Life,
    pub(crate) definition: u32,
    /// The group's values: each after its length.
    pub(crate) key: SmallVec<[u8; KEY_INLINE]>,
    hash: u64,
    born: u64,
    /// The observation that hit it last.
    pub(crate) touched: u64,
    /// The newest event of all at that time.
    pub(crate) seen_at: i64,
    /// Under what stamp and progress it is queued for departure.
    queued: (u64, Progress),
    bytes: usize,
    /// For when it is due to be judged.
    timer: i64,
}

impl Held {
    /// Returns the bytes it takes, here and elsewhere.
    fn size(&self) -> usize {
        let key = if self.key.spilled() { self.key.capacity() } else { 0 };
        size_of::<Self>() + key + self.life.bytes()
    }
}

/// Groups by key, and their order of departure.
#[derive(Debug)]
pub(crate) struct Table {
    index: HashTable<u32>,
    chunks: Vec<Vec<Option<Held>>>,
    free: Vec<u32>,
    /// By progress, least first.
    departure: [VecDeque<(u32, u64)>; Progress::COUNT],
    wheel: BTreeMap<i64, Vec<Handle>>,
    /// Entries of the wheel.
    on_wheel: usize,
    /// Taken off the wheel, to be looked at.
    over: Vec<Handle>,
    timers: BinaryHeap<Reverse<(i64, u32, Handle)>>,
    bytes: usize,
    evicted: u64,
    expired: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            chunks: Vec::new(),
            free: Vec::new(),
            departure: [const { VecDeque::new() }; Progress::COUNT],
            wheel: BTreeMap::new(),
            on_wheel: 0,
            over: Vec::new(),
            timers: BinaryHeap::new(),
            bytes: 0,
            evicted: 0,
            expired: 0,
        }
    }
}

impl Table {
    pub(crate) fn groups(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all groups, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.chunks.iter().flatten().flatten()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn expired(&self) -> u64 {
        self.expired
    }

    /// Returns the group of a definition and key, made if absent. `tick` must be new.
    pub(crate) fn find(&mut self, definition: u32, key: &[u8], hash: u64, tick: u64) -> Handle {
        let chunks = &self.chunks;
        let same = |slot: &u32| {
            held(chunks, *slot).is_some_and(|it| {
                it.hash == hash && it.definition == definition && it.key.as_slice() == key
            })
        };
        if let Some(&slot) = self.index.find(hash, same) {
            return Handle { slot, born: held(chunks, slot).map_or(0, |it| it.born) };
        }
        let new = Held {
            life: Life::new(),
            definition,
            key: SmallVec::from_slice(key),
            hash,
            born: tick,
            touched: tick,
            seen_at: i64::MIN,
            queued: (tick, Progress::NONE),
            bytes: 0,
            timer: i64::MAX,
        };
        let slot = self.place(new);
        let chunks = &self.chunks;
        self.index.insert_unique(hash, slot, |slot| held(chunks, *slot).map_or(0, |it| it.hash));
        self.departure[Progress::NONE.index()].push_back((slot, tick));
        Handle { slot, born: tick }
    }

    /// Reads what will be needed of groups that are about to be found by their hashes. The reads do
    /// not wait for each other, as they would when each group was looked at by itself: with many
    /// groups, waiting for memory is most of the work.
    pub(crate) fn expect(&self, hashes: &[u64], slots: &mut Vec<u32>) {
        slots.clear();
        for hash in hashes {
            slots.extend(self.index.iter_hash(*hash).take(1));
        }
        let groups = || slots.iter().filter_map(|slot| held(&self.chunks, *slot));
        for held in groups() {
            std::hint::black_box((held.hash, held.seen_at, held.bytes, held.key.len()));
        }
        for held in groups() {
            held.life.expect();
        }
        // New ones push others out, and what is over is looked at.
        let missing = hashes.len() - slots.len();
        let next = self.departure[Progress::NONE.index()].iter().map(|(slot, _)| *slot);
        let over = self.over.iter().rev().map(|handle| handle.slot);
        let over = over.take(hashes.len() * SWEPT_PER_OBSERVATION);
        for held in next.take(missing).chain(over).filter_map(|slot| held(&self.chunks, slot)) {
            std::hint::black_box((held.touched, held.queued.0, held.seen_at));
            held.life.expect();
        }
    }

    fn place(&mut self, new: Held) -> u32 {
        if let Some(slot) = self.free.pop()
            && let Some(place) = place(&mut self.chunks, slot)
        {
            *place = Some(new);
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut();
        let index = chunk.map_or(0, |chunk| {
            chunk.push(Some(new));
            chunk.len() - 1
        });
        u32::try_from(full + index).unwrap_or(u32::MAX)
    }

    /// Returns a group, unless it has gone.
    pub(crate) fn get(&mut self, handle: Handle) -> Option<&mut Held> {
        let held = place(&mut self.chunks, handle.slot)?.as_mut()?;
        (held.born == handle.born).then_some(held)
    }

    /// Notes that a group was changed by an observation: its size, progress and times.
    pub(crate) fn changed(
        &mut self,
        handle: Handle,
        tick: u64,
        newest: i64,
        kept: i64,
        due: Option<i64>,
    ) {
        let Some(held) = place(&mut self.chunks, handle.slot).and_then(Option::as_mut) else {
            return;
        };
        let first = held.bytes == 0;
        let bytes = held.size();
        self.bytes = self.bytes - held.bytes + bytes;
        held.bytes = bytes;
        held.touched = tick;
        held.seen_at = held.seen_at.max(newest).max(held.life.head());
        let progress = held.life.progress();
        if progress != held.queued.1 {
            held.queued = (tick, progress);
            self.departure[progress.index()].push_back((handle.slot, tick));
        }
        if let Some(due) = due.filter(|due| *due < held.timer) {
            held.timer = due;
            self.timers.push(Reverse((due, held.definition, handle)));
        }
        if first {
            let over = held.seen_at.saturating_add(kept);
            self.wheel.entry(over >> BUCKET_BITS).or_default().push(handle);
            self.on_wheel += 1;
        }
        self.tidy(progress);
    }

    /// Throws out entries that are no longer true when they are more than the groups. In a flood of
    /// addresses groups go long before their windows are over: what is remembered of them must go, too.
    fn tidy(&mut self, progress: Progress) {
        let Self { departure, chunks, index, wheel, timers, on_wheel, .. } = self;
        let entries_max = index.len() + index.len() / 2 + CHUNK;
        let is_there =
            |handle: &Handle| held(chunks, handle.slot).is_some_and(|it| it.born == handle.born);
        if *on_wheel > entries_max {
            wheel.retain(|_, bucket| {
                bucket.retain(is_there);
                bucket.shrink_to_fit();
                !bucket.is_empty()
            });
            *on_wheel = wheel.values().map(Vec::len).sum();
        }
        if timers.len() > entries_max {
            timers.retain(|Reverse((_, _, handle))| is_there(handle));
        }
        let queue = &mut departure[progress.index()];
        if queue.len() > entries_max {
            queue.retain(|(slot, stamp)| {
                held(chunks, *slot).is_some_and(|it| it.queued == (*stamp, progress))
            });
        }
    }

    /// Returns the next group that is due to be judged before a time, and when it was due.
    pub(crate) fn next_due(&mut self, now: i64) -> Option<(Handle, i64)> {
        loop {
            let Reverse((due, _, handle)) = *self.timers.peek()?;
            if due >= now {
                return None;
            }
            self.timers.pop();
            let Some(held) = self.get(handle) else { continue };
            // Set anew for an earlier time meanwhile.
            if held.timer == due {
                held.timer = i64::MAX;
                return Some((handle, due));
            }
        }
    }

    /// Lets windows go that are over, and groups once their alerts are as well; a few at a time.
    pub(crate) fn expire(&mut self, newest: i64, definitions: &[Definition]) {
        for _ in 0..SWEPT_PER_OBSERVATION {
            let Some(handle) = self.over.pop() else {
                match self.wheel.first_entry() {
                    Some(first) if *first.key() < newest >> BUCKET_BITS => {
                        self.over = first.remove();
                        self.on_wheel -= self.over.len();
                        continue;
                    }
                    _ => return,
                }
            };
            let Some(held) = self.get(handle) else { continue };
            let Some(definition) = definitions.get(held.definition as usize) else { continue };
            let over = held.seen_at.saturating_add(definition.kept());
            let told = held.life.told_until(definition);
            if over >= newest {
                self.wheel.entry(over >> BUCKET_BITS).or_default().push(handle);
                self.on_wheel += 1;
            } else if let Some(told) = told.filter(|told| *told >= newest) {
                if let Some(group) = held.life.grown() {
                    group.windows = SmallVec::new();
                }
                let bytes = held.size();
                let before = std::mem::replace(&mut held.bytes, bytes);
                self.bytes = self.bytes - before + bytes;
                self.wheel.entry(told >> BUCKET_BITS).or_default().push(handle);
                self.on_wheel += 1;
            } else {
                self.remove(handle.slot);
                self.expired += 1;
            }
        }
    }

    /// Brings the table within its bounds. The group just hit is the last to go, so one stays.
    pub(crate) fn settle(&mut self, tick: u64, groups_max: usize, bytes_max: usize) {
        while self.index.len() > 1 && (self.index.len() > groups_max || self.bytes > bytes_max) {
            let Some(slot) = self.least(tick) else { return };
            self.remove(slot);
            self.evicted += 1;
        }
    }

    /// Returns the group that is least worth keeping.
    fn least(&mut self, tick: u64) -> Option<u32> {
        let Self { departure, chunks, .. } = self;
        for (class, queue) in departure.iter_mut().enumerate() {
            // Those hit since they were queued go to the end, once each.
            for _ in 0..queue.len() {
                let Some((slot, stamp)) = queue.pop_front() else { break };
                let Some(held) = place(chunks, slot).and_then(Option::as_mut) else { continue };
                if held.queued.0 != stamp || held.queued.1.index() != class {
                    continue;
                }
                if held.touched == stamp && stamp != tick {
                    return Some(slot);
                }
                held.queued.0 = held.touched;
                queue.push_back((slot, held.touched));
            }
        }
        None
    }

    fn remove(&mut self, slot: u32) {
        let Some(gone) = place(&mut self.chunks, slot).and_then(Option::take) else { return };
        if let Ok(entry) = self.index.find_entry(gone.hash, |known| *known == slot) {
            entry.remove();
        }
        self.bytes -= gone.bytes;
        self.free.push(slot);
    }
}

fn held(chunks: &[Vec<Option<Held>>], slot: u32) -> Option<&Held> {
    let slot = slot as usize;
    chunks.get(slot / CHUNK)?.get(slot % CHUNK)?.as_ref()
}

fn place(chunks: &mut [Vec<Option<Held>>], slot: u32) -> Option<&mut Option<Held>> {
    let slot = slot as usize;
    chunks.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
}
