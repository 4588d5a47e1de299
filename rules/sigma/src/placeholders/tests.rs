//! Tests: what a text becomes, and which lists are refused.

use super::*;

fn lists() -> Placeholders {
    let text = "a: [x, 'y*', 7]\nb: [1, 2]\n";
    let (lists, diagnostics) = Placeholders::parse("placeholders.yml", text);
    assert_eq!(diagnostics, []);
    lists
}

fn texts(text: &str) -> Vec<String> {
    let values = lists().expand(text, false, Spelling::AsIs).unwrap();
    values.into_iter().map(|value| value.text).collect()
}

#[test]
fn names_become_their_values() {
    assert_eq!(texts("%a%"), ["x", "y*", "7"]);
    assert_eq!(texts("p-%b%-q"), ["p-1-q", "p-2-q"]);
    assert_eq!(texts("%b%%b%"), ["11", "12", "21", "22"]);
    // The example of the specification.
    assert_eq!(texts(r"\%plain%b%"), ["%plain1", "%plain2"]);
    assert_eq!(texts("100 %, %% and % a%"), ["100 %, %% and % a%"]);
    assert_eq!(texts(""), [""]);
    let regex = lists().expand("^%a%$", false, Spelling::Regex).unwrap();
    assert_eq!(regex.get(1).map(|value| value.text.as_str()), Some("^y.*$"));
}

#[test]
fn unknown_names_and_too_many_values_are_refused() {
    let problem = lists().expand("é %c%", false, Spelling::AsIs).unwrap_err();
    assert!(matches!(problem, Problem::Undefined { offset: 2, .. }), "{problem:?}");
    let many = "%a%".repeat(9);
    assert_eq!(lists().expand(&many, false, Spelling::AsIs), Err(Problem::TooMany));
}

#[test]
fn toml_says_the_same_and_names_the_place_of_mistakes() {
    let text = "a = ['x', 'y*', 7]\nb = [1, 2]\n";
    let (lists, diagnostics) = Placeholders::parse("placeholders.toml", text);
    assert_eq!(diagnostics, []);
    assert_eq!(lists.expand("%b%", false, Spelling::AsIs).unwrap().len(), 2);
    let (lists, diagnostics) =
        Placeholders::parse("l.toml", "a = [{x = 1}]\n\"b-\" = 1\nc = []\nd = true\n");
    assert_eq!(lists.lists().map(|(name, _)| name).collect::<Vec<_>>(), ["d"]);
    let places: Vec<_> = diagnostics.iter().map(|it| (it.code, it.span.line)).collect();
    assert_eq!(places, [("R031", 1), ("R031", 2), ("R031", 3)]);
    let (_, diagnostics) = Placeholders::parse("l.toml", "a = 1\nb = = 2\n");
    assert_eq!(diagnostics.first().map(|it| (it.code, it.span.line)), Some(("R031", 2)));
}

#[test]
fn lists_of_wrong_kinds_are_left_out() {
    let (lists, diagnostics) =
        Placeholders::parse("l.yml", "a: {x: y}\nb: [[1]]\nc: ~\n'%d%': 1\ne: 5\n");
    assert_eq!(lists.lists().map(|(name, _)| name).collect::<Vec<_>>(), ["e"]);
    assert_eq!(diagnostics.len(), 4);
}
