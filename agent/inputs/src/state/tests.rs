//! A state must come back as of the generation that is durable, whatever was torn or left behind.

use std::collections::BTreeMap;

use super::*;

#[derive(Default, Debug, PartialEq, Clone)]
struct Map(BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>);

impl Table for Map {
    fn clear(&mut self) {
        self.0.clear();
    }
    fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]) {
        self.0.insert((group.to_vec(), key.to_vec()), value.to_vec());
    }
    fn remove(&mut self, group: &[u8], key: &[u8]) {
        self.0.remove(&(group.to_vec(), key.to_vec()));
    }
    fn each(&self, take: &mut Take<'_>) {
        for ((group, key), value) in &self.0 {
            take(group, key, value);
        }
    }
}

fn step(state: &mut State, map: &mut Map, key: u64, has_events: bool) -> u64 {
    let mut delta = Delta::default();
    delta.put(b"g", &key.to_le_bytes(), &vec![7; 9_000]);
    if key >= 3 {
        delta.remove(b"g", &(key - 3).to_le_bytes());
    }
    let generation = state.append(&delta, has_events).unwrap();
    delta.apply(map);
    state.compact(map).unwrap();
    generation
}

#[test]
fn a_state_is_that_of_the_durable_generation() {
    let dir = tempfile::tempdir().unwrap();
    let mut map = Map::default();
    let (mut state, notes) = State::open(dir.path(), "t", None, &mut map).unwrap();
    assert!(notes.is_empty());
    // Far enough that bases are written and older ones removed on the way.
    let mut versions = BTreeMap::new();
    for key in 0..900 {
        let generation = step(&mut state, &mut map, key, true);
        versions.insert(generation, map.clone());
    }
    assert!(state.base > 1, "a new base was written");
    let last = state.generation;
    drop(state);
    let count = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(count <= 4, "{count} files: the pair in use and the one before");
    // Going back as far as a chunk may be undurable.
    for known in [last, last - 1, last - 100, last - GENERATIONS_KEPT + 1] {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let mut found = Map::default();
        let (state, notes) = State::open(copy.path(), "t", Some(known), &mut found).unwrap();
        assert_eq!((state.generation, &found), (known, &versions[&known]), "{notes:?}");
        // And once more from what opening left.
        drop(state);
        let (_, _) = State::open(copy.path(), "t", Some(known), &mut found).unwrap();
        assert_eq!(found, versions[&known]);
    }
}

#[test]
fn without_a_checkpoint_what_had_events_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut map = Map::default();
    let (mut state, _) = State::open(dir.path(), "t", None, &mut map).unwrap();
    step(&mut state, &mut map, 0, false);
    let before = map.clone();
    step(&mut state, &mut map, 1, true);
    step(&mut state, &mut map, 2, false);
    drop(state);
    let mut found = Map::default();
    State::open(dir.path(), "t", None, &mut found).unwrap();
    assert_eq!(found, before);
}

#[test]
fn a_torn_log_and_a_damaged_base_lose_only_what_they_held() {
    let dir = tempfile::tempdir().unwrap();
    let mut map = Map::default();
    let (mut state, _) = State::open(dir.path(), "t", None, &mut map).unwrap();
    step(&mut state, &mut map, 0, true);
    let before = map.clone();
    let known = step(&mut state, &mut map, 1, true);
    let (log_path, base_path) = (state.log_path.clone(), file_path(dir.path(), "t", "base", 1));
    drop(state);
    let bytes = std::fs::read(&log_path).unwrap();
    for cut in [1, 100, 9_000] {
        std::fs::write(&log_path, &bytes[..bytes.len() - cut]).unwrap();
        let copy = tempfile::tempdir().unwrap();
        for path in [&log_path, &base_path] {
            std::fs::copy(path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        let mut found = Map::default();
        let (_, notes) = State::open(copy.path(), "t", Some(known), &mut found).unwrap();
        assert_eq!((found, notes.len()), (before.clone(), 1), "cut {cut}");
    }
    std::fs::write(&log_path, &bytes).unwrap();
    std::fs::write(&base_path, b"nothing").unwrap();
    let mut found = Map::default();
    let (_, notes) = State::open(dir.path(), "t", Some(known), &mut found).unwrap();
    assert!(notes.iter().any(|note| note.contains("base")), "{notes:?}");
}
