//! `explain`: the page of a diagnostic code. The pages are the files of `docs/rules`.

use std::io::Write;

use rules_service::exit::Exit;
use rules_sigma::codes;

use crate::args::ExplainArgs;

macro_rules! pages {
    ($($code:literal)*) => {
        const PAGES: &[(&str, &str)] =
            &[$(($code, include_str!(concat!("../../../docs/rules/", $code, ".md")))),*];
    };
}

pages! {
    "R001" "R002" "R003" "R004" "R005" "R006"
    "R010" "R011" "R012" "R013" "R014" "R015" "R016" "R017" "R018" "R019"
    "R020" "R021" "R022" "R023" "R024" "R025" "R026" "R027" "R028" "R029"
    "R040" "R041" "R042" "R043"
    "R050" "R051" "R052" "R053" "R054" "R055"
    "R060" "R061"
    "R070" "R071" "R072" "R073"
}

pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Some(code) = &args.code else {
        for (code, meaning) in codes::CODES {
            writeln!(out, "{code}  {meaning}")?;
        }
        return Ok(Exit::Done);
    };
    match PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)) {
        Some((_, page)) => {
            write!(out, "{page}")?;
            Ok(Exit::Done)
        }
        None => anyhow::bail!("there is no code '{code}'; 'vonglau-rules explain' lists them all"),
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
