//! Encodings, marks and bytes that are no text: the same lines, wherever reads and kills fall.

use proptest::prelude::*;

use super::Scene;
use crate::{Count, Encoding, Start};

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

fn bytes_counted(scene: &Scene) -> u64 {
    let counts = [Count::LineBytes, Count::EmptyBytes, Count::TruncatedBytes];
    counts.into_iter().map(|what| scene.count(what)).sum()
}

#[test]
fn a_mark_tells_the_encoding() {
    for (mark, little) in [("\u{feff}", true), ("\u{feff}", false)] {
        let mut scene = Scene::new(&["x.log"], Start::Beginning);
        let bytes = utf16(&format!("{mark}vọng lâu\r\n\r\nhai\nba"), little);
        scene.append_bytes("x.log", &bytes[..1]);
        scene.cycle();
        scene.append_bytes("x.log", &bytes[1..23]);
        scene.cycle().check(&["vọng lâu"]);
        scene.stop();
        scene.append_bytes("x.log", &bytes[23..]);
        scene.cycle().check(&["vọng lâu", "hai"]);
        assert_eq!((scene.lines[0].1, scene.lines[1].1), (0, 26));
        assert_eq!(bytes_counted(&scene), 34);
    }
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append("x.log", "\u{feff}một\nhai\n");
    scene.cycle().check(&["một", "hai"]);
    assert_eq!((scene.lines[0].1, scene.lines[1].1), (0, 9));
    assert_eq!(bytes_counted(&scene), 13);
}

#[test]
fn an_encoding_can_be_configured() {
    let mut scene = Scene::new(&["x.log"], Start::End);
    scene.config.files[0].encoding = Encoding::Utf16Be;
    scene.append_bytes("x.log", &utf16("old\nunfini", false));
    scene.cycle().check(&[]);
    scene.append_bytes("x.log", &utf16("shed\nnew\n", false));
    scene.cycle().check(&["new"]);
}

#[test]
fn invalid_bytes_are_handed_on_as_they_are() {
    let mut scene = Scene::new(&["x.log"], Start::Beginning);
    scene.append_bytes("x.log", b"a\xff\xfeb\n\xc3\n");
    scene.cycle();
    assert_eq!(scene.raw, [b"a\xff\xfeb".to_vec(), b"\xc3".to_vec()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_and_kills_do_not_matter(
        words in proptest::collection::vec("[ab ởệ🗼]{0,8}(\r?\n){0,2}", 1..40),
        pieces in proptest::collection::vec((1usize..30, 0u8..4), 0..30),
        form in 0usize..4,
    ) {
        let text = words.concat() + "\nend\n";
        let expected: Vec<&str> =
            text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)).filter(|l| !l.is_empty()).collect();
        let marked = format!("\u{feff}{text}");
        let bytes = match form {
            0 => text.clone().into_bytes(),
            1 => marked.into_bytes(),
            2 => utf16(&marked, true),
            _ => utf16(&marked, false),
        };
        let mut scene = Scene::new(&["x.log"], Start::Beginning);
        let mut rest = bytes.as_slice();
        for (piece, act) in pieces {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            rest = later;
            scene.append_bytes("x.log", now);
            match act {
                0 => scene.stop(),
                1 => { scene.cycle_until(usize::from(act)).stop(); }
                _ => { scene.cycle(); }
            }
        }
        scene.append_bytes("x.log", rest);
        scene.cycle();
        prop_assert_eq!(scene.texts(), expected);
        scene.check_unique();
    }
}
