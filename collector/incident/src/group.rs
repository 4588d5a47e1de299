//! Grouping: which incident an alert belongs to, decided by entity and time alone.

use std::collections::BTreeSet;

use crate::LinkKind;

/// One pair of ECS field name and value.
pub(crate) type Pair = (String, String);

/// An incident that shares something with the alert and lies inside the window.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) id: String,
    pub(crate) open: bool,
    pub(crate) last: i64,
    pub(crate) pairs: BTreeSet<Pair>,
}

/// Where an alert goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Into an incident that is open.
    Join(String),
    /// Into a new one, linked to these.
    New(Vec<(String, LinkKind)>),
}

/// A new incident is linked to at most this many others: the nearest ones. More would be noise, and
/// all pairs of a large outbreak would be a square.
const LINKS_MAX: usize = 5;

/// Decides. Equal entities join first, then an incident that says more than the alert, then one that
/// says less; among equals the one seen last. A closed incident is never joined: the new one follows
/// it.
pub(crate) fn place(alert: &BTreeSet<Pair>, candidates: &[Candidate]) -> Place {
    let fits = |candidate: &&Candidate| {
        alert.is_subset(&candidate.pairs) || candidate.pairs.is_subset(alert)
    };
    let nearness = |candidate: &&Candidate| {
        let kind = if candidate.pairs == *alert {
            2
        } else {
            i32::from(alert.is_subset(&candidate.pairs))
        };
        // Of two larger entities the smaller is nearer, of two smaller ones the larger.
        let distance = candidate.pairs.len().abs_diff(alert.len());
        (kind, std::cmp::Reverse(distance), candidate.last, candidate.id.clone())
    };
    let joins = candidates.iter().filter(|it| it.open).filter(fits).max_by_key(nearness);
    if let Some(candidate) = joins {
        return Place::Join(candidate.id.clone());
    }
    let shared = |candidate: &Candidate| candidate.pairs.intersection(alert).count();
    let mut near: Vec<_> = candidates.iter().filter(|it| shared(it) > 0).collect();
    near.sort_by_key(|it| std::cmp::Reverse((fits(it), shared(it), it.last, it.id.clone())));
    let links = near.into_iter().take(LINKS_MAX).map(|candidate| {
        let kind = if fits(&candidate) { LinkKind::Follows } else { LinkKind::Overlaps };
        (candidate.id.clone(), kind)
    });
    Place::New(links.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> BTreeSet<Pair> {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').map(|(k, v)| (k.into(), v.into())).unwrap())
            .collect()
    }

    fn candidate(id: &str, open: bool, last: i64, entity: &str) -> Candidate {
        Candidate { id: id.into(), open, last, pairs: pairs(entity) }
    }

    #[track_caller]
    fn check(alert: &str, candidates: &[Candidate], expect: &str) {
        let got = match place(&pairs(alert), candidates) {
            Place::Join(id) => format!("join {id}"),
            Place::New(links) => links.iter().fold("new".to_owned(), |text, (id, kind)| {
                format!("{text} {}:{id}", kind.as_str())
            }),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn the_table_of_grouping() {
        // alone
        check("ip=1", &[], "new");
        // equal, alert says less, alert says more
        check("ip=1", &[candidate("a", true, 1, "ip=1")], "join a");
        check("ip=1", &[candidate("a", true, 1, "ip=1 user=root")], "join a");
        check("ip=1 user=root", &[candidate("a", true, 1, "ip=1")], "join a");
        // partial overlap
        check("ip=1 user=x", &[candidate("a", true, 1, "ip=1 user=y")], "new overlaps:a");
        // same value in another field is no overlap
        check("user=1", &[candidate("a", true, 1, "ip=1")], "new");
        // closed
        check("ip=1", &[candidate("a", false, 1, "ip=1")], "new follows:a");
        let both = [candidate("a", false, 9, "ip=1"), candidate("b", true, 1, "ip=1")];
        check("ip=1", &both, "join b");
        // equal before larger before smaller
        let three = [
            candidate("less", true, 9, "ip=1"),
            candidate("more", true, 9, "ip=1 user=root host=web"),
            candidate("same", true, 1, "ip=1 user=root"),
        ];
        check("ip=1 user=root", &three, "join same");
        check("ip=1 user=root", &three[..2], "join more");
        // the one seen last
        let two = [candidate("a", true, 1, "ip=1"), candidate("b", true, 2, "ip=1")];
        check("ip=1", &two, "join b");
    }

    #[test]
    fn links_are_bounded_and_nearest_first() {
        let many: Vec<_> = (0..50)
            .map(|n| candidate(&format!("c{n:02}"), true, n, &format!("ip=1 user={n}")))
            .collect();
        let Place::New(links) = place(&pairs("ip=1 user=me"), &many) else { panic!("joined") };
        assert_eq!(links.len(), LINKS_MAX);
        assert_eq!(links[0], ("c49".into(), LinkKind::Overlaps));
    }
}
