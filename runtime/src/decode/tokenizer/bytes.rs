//! Each byte as a character that can be seen: how vocabularies of byte pairs write their tokens (`Ġthe` is ` the`).
//!
//! Bytes that are printable characters of Latin-1 stand for themselves, the others for U+0100 and up, in order.

/// The character of a byte.
pub fn character(byte: u8) -> char {
    if is_seen(byte) {
        return char::from(byte);
    }
    let hidden = (0..byte).filter(|b| !is_seen(*b)).count() as u32;
    char::from_u32(256 + hidden).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte of a character.
pub fn byte(c: char) -> Option<u8> {
    (0..=255).find(|b| character(*b) == c)
}

fn is_seen(byte: u8) -> bool {
    matches!(byte, 33..=126 | 161..=172 | 174..=255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        assert_eq!(
            [b' ', b'\n', b'a', 0, 0xad, 0xff].map(character),
            ['Ġ', 'Ċ', 'a', 'Ā', 'Ń', 'ÿ']
        );
        for b in 0..=255 {
            assert_eq!(byte(character(b)), Some(b));
        }
        assert_eq!(byte('漢'), None);
    }
}
