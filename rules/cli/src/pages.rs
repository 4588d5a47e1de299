//! `explain`: the page of a diagnostic code. The pages are the files of `docs/rules`.

use std::io::Write;

use rules_service::exit::Exit;
use rules_sigma::codes;

use crate::args::ExplainArgs;
use crate::nearest;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Returns the page of a code.
pub(crate) fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}

pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Some(asked) = &args.code else {
        for (code, meaning) in codes::CODES {
            writeln!(out, "{code}  {meaning}")?;
        }
        return Ok(Exit::Done);
    };
    if let Some(page) = page(&normal(asked)) {
        write!(out, "{page}")?;
        return Ok(Exit::Done);
    }
    // A word: the codes that speak of it.
    let word = asked.to_lowercase();
    let speaking = || codes::CODES.iter().filter(|(_, text)| text.to_lowercase().contains(&word));
    if word.chars().any(char::is_alphabetic) && speaking().next().is_some() {
        for (code, meaning) in speaking() {
            writeln!(out, "{code}  {meaning}")?;
        }
        return Ok(Exit::Done);
    }
    let known = codes::CODES.iter().map(|(code, _)| *code);
    let help = match nearest::word(&normal(asked), known) {
        Some(near) => format!("did you mean {near}? 'vonglau-rules explain' lists all"),
        None => "'vonglau-rules explain' lists them all".to_owned(),
    };
    anyhow::bail!("there is no code '{asked}'; {help}")
}

/// Returns a code as it is written: `R012` from `r012`, `R12` and `12`.
fn normal(asked: &str) -> String {
    let upper = asked.trim().to_ascii_uppercase();
    let digits = upper.strip_prefix('R').unwrap_or(&upper);
    match digits.parse::<u16>() {
        Ok(number) => format!("R{number:03}"),
        Err(_) => upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_page() {
        let known: Vec<&str> = codes::CODES.iter().map(|(code, _)| *code).collect();
        let pages: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(pages, known);
        for (code, page) in PAGES {
            let meaning = codes::meaning(code).unwrap();
            assert!(page.starts_with(&format!("# {code}: {meaning}\n")), "{code}: title");
            assert!(page.len() > 150, "{code} explains too little");
        }
    }
}
