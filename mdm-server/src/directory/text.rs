//! How texts are compared and put in order. Old and new forms of a kanji (髙 and 高, 邊 and 辺) stay different.

use unicode_normalization::UnicodeNormalization;

/// From a hiragana to the katakana of the same sound.
const TO_KATAKANA: u32 = 'ア' as u32 - 'あ' as u32;

/// A text as searches compare it: NFKC, so that half and full width are one, lower case, hiragana as katakana, without
/// blanks and without variation selectors.
pub(super) fn fold(text: &str) -> String {
    let comparable = |c: &char| !c.is_whitespace() && !is_variation_selector(*c);
    text.nfkc().flat_map(char::to_lowercase).filter(comparable).map(katakana).collect()
}

/// A text without the zeros in front, which spreadsheets eat.
pub(super) fn without_zeros(number: &str) -> &str {
    number.trim_start_matches('0')
}

/// Where a text stands in a list: first without voicing marks and with small kana as large ones, as a dictionary does it
/// (JIS X 4061), then as it is. A blank comes before any letter, so that families stay together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    plain: String,
    exact: String,
}

impl Place {
    pub(super) fn of(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        let exact: String = words.join(" ").nfkc().flat_map(char::to_lowercase).map(katakana).collect();
        let plain = exact.nfd().filter(|c| !is_voicing_mark(*c)).map(large).collect();
        Self { plain, exact }
    }
}

fn katakana(c: char) -> char {
    match c {
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => char::from_u32(u32::from(c) + TO_KATAKANA).unwrap_or(c),
        other => other,
    }
}

fn large(c: char) -> char {
    match c {
        'ァ' => 'ア',
        'ィ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' => 'エ',
        'ォ' => 'オ',
        'ッ' => 'ツ',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ヮ' => 'ワ',
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        other => other,
    }
}

fn is_voicing_mark(c: char) -> bool {
    matches!(c, '\u{3099}' | '\u{309A}')
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_kana_case_and_blanks_do_not_matter() {
        for same in ["ヤマダ タロウ", "ﾔﾏﾀﾞ ﾀﾛｳ", "やまだ\u{3000}たろう", "ヤマダタロウ"]
        {
            assert_eq!(fold(same), "ヤマダタロウ", "{same}");
        }
        assert_eq!(fold("Ｓｍｉｔｈ John"), "smithjohn");
        assert_eq!(fold("１２３"), "123");
        assert_eq!(fold("葛\u{E0100}西"), fold("葛西"));
    }

    #[test]
    fn old_and_new_kanji_stay_different() {
        for (old, new) in [("髙", "高"), ("﨑", "崎"), ("邊", "辺"), ("齋", "斎"), ("𠮷", "吉")] {
            assert_ne!(fold(old), fold(new), "{old} {new}");
        }
    }

    #[test]
    fn lists_are_in_the_order_of_a_dictionary() {
        let mut kana =
            ["ガマ", "ハラダ イチ", "カヤ", "ﾊﾗ ｼﾞﾛｳ", "カマ", "ハットリ", "ハツ", "はら あい", "バラ"];
        kana.sort_by_cached_key(|text| Place::of(text));
        assert_eq!(
            kana,
            ["カマ", "ガマ", "カヤ", "ハツ", "ハットリ", "バラ", "はら あい", "ﾊﾗ ｼﾞﾛｳ", "ハラダ イチ"]
        );
    }
}
