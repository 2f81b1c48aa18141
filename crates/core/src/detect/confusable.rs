//! Characters that are not what they look like: look-alikes of ASCII, and what shows nothing.
//!
//! Only what compatibility decomposition (NFKD) leaves alone stands here: full-width, mathematical, circled and
//! superscript letters need no row. The rows follow the letters that Unicode's list of confusables (UTS 39) maps
//! to Latin, as far as their script is alphabetic and common enough to be typed.

/// The ASCII character that `c` looks like, in the same case; `None` if it looks like none.
#[must_use]
pub(super) fn ascii(c: char) -> Option<char> {
    letter(c).or_else(|| sign(c)).or_else(|| enclosed(c))
}

#[rustfmt::skip]
fn letter(c: char) -> Option<char> {
    Some(match c {
        'А' | 'Α' | 'Ꭺ' | 'Ⲁ' | 'ᴀ' => 'A',
        'а' | 'α' | 'ɑ' | 'ӕ' => 'a',
        'В' | 'Β' | 'Ᏼ' | 'ʙ' | 'Ꞵ' | 'Ⲃ' => 'B',
        'Ь' | 'ь' | 'Ƅ' | 'Ꮟ' | 'ƀ' | 'ɓ' => 'b',
        'С' | 'Ϲ' | 'Ꮯ' | 'Ⲥ' | 'ᴄ' => 'C',
        'с' | 'ϲ' | 'ⲥ' | 'ƈ' => 'c',
        'Ꭰ' | 'Đ' | 'ᴅ' | 'Ɖ' => 'D',
        'ԁ' | 'đ' | 'ɖ' | 'ɗ' | 'Ꮷ' => 'd',
        'Е' | 'Ε' | 'Ꭼ' | 'Ⲉ' | 'ᴇ' | 'Є' => 'E',
        'е' | 'ε' | 'є' | 'ҽ' | 'ɛ' | 'ә' | 'ə' => 'e',
        'Ϝ' | 'Ғ' | 'ꜰ' | 'Ƒ' => 'F',
        'ғ' | 'ƒ' | 'ք' | 'ſ' | 'ẝ' => 'f',
        'Ԍ' | 'Ꮐ' | 'ɢ' => 'G',
        'ɡ' | 'ց' | 'ɠ' | 'ǥ' => 'g',
        'Н' | 'Η' | 'Ꮋ' | 'ʜ' | 'Ⲏ' | 'Ħ' => 'H',
        'һ' | 'հ' | 'Ꮒ' | 'ħ' | 'ɦ' => 'h',
        'І' | 'Ι' | 'Ӏ' | 'Ⲓ' | 'ɪ' | 'Ɩ' => 'I',
        'і' | 'ι' | 'ı' | 'ɩ' | 'ɨ' | 'Ꭵ' | 'ӏ' => 'i',
        'Ј' | 'Ϳ' | 'Ꭻ' | 'ᴊ' => 'J',
        'ј' | 'ϳ' | 'ȷ' | 'յ' => 'j',
        'К' | 'Κ' | 'Ꮶ' | 'Ⲕ' | 'ᴋ' | 'Қ' => 'K',
        'к' | 'κ' | 'ⲕ' | 'ƙ' | 'қ' => 'k',
        'Ꮮ' | 'ʟ' | 'Ⳑ' | 'Ł' => 'L',
        'ł' | 'ŀ' | 'ɫ' | 'ɭ' | 'ƚ' | 'Ɨ' => 'l',
        'М' | 'Μ' | 'Ϻ' | 'Ꮇ' | 'Ⲙ' | 'ᴍ' => 'M',
        'м' | 'ɱ' => 'm',
        'Ν' | 'Ⲛ' | 'ɴ' => 'N',
        'ν' | 'ո' | 'п' | 'η' | 'ɲ' | 'ŋ' => 'n',
        'О' | 'Ο' | 'Օ' | 'Ⲟ' | 'ᴏ' | 'Ø' | 'Θ' => 'O',
        'о' | 'ο' | 'օ' | 'ⲟ' | 'σ' | 'ø' | 'ө' | 'ഠ' => 'o',
        'Р' | 'Ρ' | 'Ꮲ' | 'Ⲣ' | 'ᴘ' => 'P',
        'р' | 'ρ' | 'ⲣ' | 'ƥ' => 'p',
        'Ԛ' => 'Q',
        'ԛ' | 'գ' | 'զ' => 'q',
        'Ꭱ' | 'Ꮢ' | 'ʀ' | 'Я' => 'R',
        'г' | 'ɾ' | 'ᴦ' | 'ⲅ' => 'r',
        'Ѕ' | 'Տ' | 'Ꮪ' | 'ꜱ' => 'S',
        'ѕ' | 'ʂ' => 's',
        'Т' | 'Τ' | 'Ꭲ' | 'Ⲧ' | 'ᴛ' | 'Ŧ' => 'T',
        'т' | 'τ' | 'ŧ' | 'ƭ' => 't',
        'Ս' | 'ᴜ' => 'U',
        'υ' | 'ս' | 'ʋ' | 'ц' => 'u',
        'Ѵ' | 'Ꮩ' | 'ᴠ' => 'V',
        'ѵ' => 'v',
        'Ԝ' | 'Ꮃ' | 'ᴡ' => 'W',
        'ԝ' | 'ա' | 'ω' | 'ш' => 'w',
        'Х' | 'Χ' | 'Ⲭ' => 'X',
        'х' | 'χ' | 'ⲭ' => 'x',
        'Υ' | 'Ү' | 'Ⲩ' | 'ʏ' | 'Ұ' => 'Y',
        'у' | 'γ' | 'ү' | 'ყ' | 'ұ' => 'y',
        'Ζ' | 'Ꮓ' | 'Ⲍ' | 'ᴢ' | 'Ƶ' => 'Z',
        'ʐ' | 'ƶ' => 'z',
        'З' | 'Ӡ' | 'з' | 'Ʒ' | 'ʒ' => '3',
        'б' => '6',
        _ => return None,
    })
}

#[rustfmt::skip]
fn sign(c: char) -> Option<char> {
    Some(match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{02D7}' | '\u{2796}' | '\u{058A}' | '\u{FE58}' => '-',
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}' | '\u{2032}' | '\u{02BC}' | '\u{02B9}' | '\u{A78C}' => '\'',
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{201F}' | '\u{2033}' | '\u{00AB}' | '\u{00BB}' => '"',
        '\u{2039}' | '\u{3008}' | '\u{2329}' | '\u{27E8}' | '\u{276E}' => '<',
        '\u{203A}' | '\u{3009}' | '\u{232A}' | '\u{27E9}' | '\u{276F}' => '>',
        '\u{3010}' | '\u{3014}' => '[',
        '\u{3011}' | '\u{3015}' => ']',
        '\u{2044}' | '\u{2215}' | '\u{29F8}' => '/',
        '\u{2216}' | '\u{29F5}' | '\u{29F9}' => '\\',
        '\u{2236}' | '\u{A789}' | '\u{02D0}' | '\u{0589}' => ':',
        '\u{3002}' | '\u{06D4}' | '\u{0701}' | '\u{00B7}' => '.',
        '\u{3001}' | '\u{060C}' => ',',
        '\u{223C}' | '\u{02DC}' => '~',
        '\u{2217}' | '\u{204E}' => '*',
        '\u{01C3}' => '!',
        '\u{2223}' | '\u{01C0}' => '|',
        '\u{2800}' | '\u{1680}' | '\u{180E}' => ' ',
        '\u{2028}' | '\u{2029}' | '\u{0085}' => '\n',
        _ => return None,
    })
}

/// Letters in boxes and circles that have no decomposition, and the letters that flags are made of.
fn enclosed(c: char) -> Option<char> {
    let first = match c {
        '\u{1F150}'..='\u{1F169}' => 0x1F150,
        '\u{1F170}'..='\u{1F189}' => 0x1F170,
        '\u{1F1E6}'..='\u{1F1FF}' => 0x1F1E6,
        _ => return None,
    };
    char::from_u32(u32::from('A') + (u32::from(c) - first))
}

/// Shows nothing: zero-width, joiners, direction marks, selectors, fillers, tags.
#[must_use]
pub(super) fn invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// A mark that sits on any letter (accents and their like), not part of a script's own spelling.
#[must_use]
pub(super) fn mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

/// A letter of another script that looks like a Latin one.
#[must_use]
pub(super) fn foreign_lookalike(c: char) -> bool {
    matches!(c, '\u{0370}'..='\u{058F}' | '\u{13A0}'..='\u{13FF}' | '\u{2C80}'..='\u{2CFF}')
        && letter(c).is_some()
}
