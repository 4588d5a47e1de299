//! Secrecy: marks of state secrets, which must never leave over this channel.
//!
//! Law on the Protection of State Secrets 117/2025/QH15: documents carry their degree, TUYỆT MẬT, TỐI
//! MẬT or MẬT, as a header. Ordinary words with the same syllable (mật khẩu, bảo mật) are no marks.

use std::borrow::Cow;

use regex::Regex;

use crate::{Error, Result};

/// What a mark looks like, on composed text. Upper case on purpose, but for the labelled form.
const PATTERNS: [&str; 5] = [
    r"(?:^|[^\p{L}\p{N}])(?:TUYỆT|TỐI)\s+MẬT(?:[^\p{L}\p{N}]|$)",
    r"BÍ\s+MẬT\s+NHÀ\s+NƯỚC",
    // alone on its line, or in brackets
    r"(?m)^[^\p{L}\p{N}\n]*MẬT[^\p{L}\p{N}\n]*$",
    // in the name of a file: /upload/MẬT_ke-hoach.docx
    r"[/\\_\-\[(]MẬT[/\\_\-.\])]",
    // labelled: "Độ mật: Tối mật"
    r"(?i)(?:độ|mức độ)\s+mật\s*[:=]\s*(?:tuyệt\s+mật|tối\s+mật|mật)(?:[^\p{L}]|$)",
];
/// Patterns a site may configure.
const PATTERNS_MAX: usize = 64;

/// The marks to look for.
pub(crate) struct Marks(Vec<Regex>);

impl Marks {
    /// Returns the configured patterns, or the shipped ones.
    pub(crate) fn new(configured: Option<&[String]>) -> Result<Self> {
        let shipped = || PATTERNS.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let patterns = configured.map_or_else(shipped, <[String]>::to_vec);
        let key = "state_secret_patterns";
        if patterns.len() > PATTERNS_MAX {
            let problem = format!("use at most {PATTERNS_MAX} patterns");
            return Err(Error::Config { key, problem });
        }
        let compile = |text: &String| {
            Regex::new(&compose(text))
                .map_err(|error| Error::Config { key, problem: error.to_string() })
        };
        patterns.iter().map(compile).collect::<Result<_>>().map(Self)
    }

    /// Returns the first mark found in a text, as written.
    pub(crate) fn find(&self, text: &str) -> Option<String> {
        let text = compose(text);
        self.0.iter().find_map(|mark| mark.find(&text)).map(|it| it.as_str().trim().to_owned())
    }
}

/// Composes the letters that marks are made of: text from scanners and Macs comes decomposed, with
/// the marks in either order (Unicode normal forms C and D).
fn compose(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{0300}', '\u{0301}', '\u{0302}', '\u{0323}', '\u{031b}']) {
        return Cow::Borrowed(text);
    }
    let pairs = [
        ("A\u{0323}\u{0302}", "Ậ"),
        ("A\u{0302}\u{0323}", "Ậ"),
        ("Â\u{0323}", "Ậ"),
        ("Ạ\u{0302}", "Ậ"),
        ("E\u{0323}\u{0302}", "Ệ"),
        ("E\u{0302}\u{0323}", "Ệ"),
        ("Ê\u{0323}", "Ệ"),
        ("Ẹ\u{0302}", "Ệ"),
        ("O\u{0302}\u{0301}", "Ố"),
        ("Ô\u{0301}", "Ố"),
        ("O\u{0323}\u{0302}", "Ộ"),
        ("O\u{0302}\u{0323}", "Ộ"),
        ("I\u{0301}", "Í"),
        ("A\u{0300}", "À"),
        ("U\u{031b}\u{0301}", "Ứ"),
        ("O\u{031b}\u{0301}", "Ớ"),
        ("U\u{031b}", "Ư"),
        ("O\u{031b}", "Ơ"),
        ("Ơ\u{0301}", "Ớ"),
        ("a\u{0323}\u{0302}", "ậ"),
        ("a\u{0302}\u{0323}", "ậ"),
        ("â\u{0323}", "ậ"),
        ("ạ\u{0302}", "ậ"),
        ("e\u{0323}\u{0302}", "ệ"),
        ("e\u{0302}\u{0323}", "ệ"),
        ("ê\u{0323}", "ệ"),
        ("ẹ\u{0302}", "ệ"),
        ("o\u{0302}\u{0301}", "ố"),
        ("ô\u{0301}", "ố"),
        ("o\u{0323}\u{0302}", "ộ"),
        ("o\u{0302}\u{0323}", "ộ"),
    ];
    let mut text = text.to_owned();
    for (loose, composed) in pairs {
        text = text.replace(loose, composed);
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_block_and_ordinary_words_do_not() {
        let marks = Marks::new(None).unwrap();
        for text in [
            "Công văn TUYỆT MẬT số 12",
            "(TỐI MẬT)",
            "line one\n  MẬT  \nline three",
            "[MẬT]",
            "/upload/MẬT_ke-hoach.docx",
            "Độ mật: Tối mật",
            "thuộc BÍ MẬT NHÀ NƯỚC",
            "TUYE\u{0302}\u{0323}T MA\u{0323}\u{0302}T",
        ] {
            assert!(marks.find(text).is_some(), "{text}");
        }
        for text in [
            "ĐỔI MẬT KHẨU",
            "mật khẩu sai",
            "BẢO MẬT THÔNG TIN",
            "bí mật",
            "MAT",
            "tối mật độ cao",
            "sshd: Failed password for root",
            "MẬTMÃ",
        ] {
            assert_eq!(marks.find(text), None, "{text}");
        }
    }

    #[test]
    fn a_bad_pattern_names_its_key() {
        let error = Marks::new(Some(&["(".to_owned()])).err().unwrap();
        assert!(error.to_string().contains("state_secret_patterns"), "{error}");
    }
}
