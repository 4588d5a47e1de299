//! Folding: text as people type it into a search box, without case and Vietnamese marks.

/// Returns the text in lower case without diacritics and with `đ` as `d`, so that `dang nhap` finds
/// `Đăng nhập`. Composed and decomposed spellings fold alike.
#[must_use]
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).filter_map(plain).collect()
}

/// Returns the base letter; `None` for a combining mark. The ranges are runs of one base letter in
/// Unicode's Latin Extended Additional, U+1EA0 to U+1EF9.
fn plain(letter: char) -> Option<char> {
    Some(match letter {
        '\u{0300}'..='\u{036f}' => return None,
        'à' | 'á' | 'â' | 'ã' | 'ă' | 'ạ'..='ặ' => 'a',
        'è' | 'é' | 'ê' | 'ẹ'..='ệ' => 'e',
        'ì' | 'í' | 'ĩ' | 'ỉ'..='ị' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ơ' | 'ọ'..='ợ' => 'o',
        'ù' | 'ú' | 'ũ' | 'ư' | 'ụ'..='ự' => 'u',
        'ý' | 'ỳ'..='ỹ' => 'y',
        'đ' => 'd',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_folds_to_what_people_type() {
        assert_eq!(fold("Đăng nhập SSH thất bại nhiều lần"), "dang nhap ssh that bai nhieu lan");
        assert_eq!(
            fold("Mã độc tống tiền, cổng dịch vụ công"),
            "ma doc tong tien, cong dich vu cong"
        );
        assert_eq!(fold("ƯỠN ẨN Ỷ ặ ỹ ự"), "uon an y a y u");
        assert_eq!(fold("e\u{0302}\u{0323}"), fold("ệ"));
        assert_eq!(fold("Straße 10.0.0.1"), "straße 10.0.0.1");
    }
}
