//! Installation IDs and confirmation IDs: decimal digits in groups, each full group with a check digit at its end.
//!
//! | digits | groups | kind |
//! |---|---|---|
//! | 50 | 8 of 6, and 2 without a check digit | [`IdKind::Installation50`] |
//! | 54 | 9 of 6 | [`IdKind::Installation54`] |
//! | 63 | 9 of 7 | [`IdKind::Installation63`] |
//! | 42 | 7 of 6, A to G | [`IdKind::Confirmation42`] |
//! | 48 | 8 of 6, A to H | [`IdKind::Confirmation48`] |
//!
//! A check digit is the sum of the digits in front of it in its group, every second one doubled, modulo 7. So it is
//! never 7, 8 or 9, and a group of zeros is valid. The number of digits tells what an ID is; nothing here makes one.
//!
//! # How IDs are written
//!
//! Digits are ASCII, or the fullwidth ones (U+FF10 to U+FF19) that East Asian input methods write; no other script's.
//! Between them may stand, anywhere and in any number: white space (no-break and narrow ones included), zero-width
//! spaces, dashes (`-`, U+2010 to U+2015, the minus sign, the soft and the fullwidth hyphen) and `.` `,` `/` `:`. In front
//! of a group of a confirmation ID may stand its letter (`A 123456 B 123456`, `a:123456-b:123456`).
//! How the text is grouped matters only where the ID is wrong: then [`IdError`] says which groups have too many or too few
//! digits.
//!
//! # What no check digit shows
//!
//! Modulo 7 the digits 0 and 7, 1 and 8, 2 and 9 are the same, and a weight of 1 or 2 does not change that. Therefore
//!
//! - one wrong digit goes unnoticed where it is 7 away from the right one and does not stand in a check digit's place: 6.7 %
//!   of all wrong digits (6 in 10 digits have one such neighbour among 9), in 5 places of 6, or 6 of 7;
//! - two neighbours swapped go unnoticed where they are 7 apart and neither is a check digit: 6.7 % of all swaps of
//!   unlike digits, in 4 places of 6, or 5 of 7. A swap that takes in the check digit, of this group or of the one in
//!   front, is always noticed;
//! - a wrong check digit is always noticed: it is compared as it stands, and 0 is not 7 there;
//! - nothing in the last two digits of the 50-digit kind is noticed;
//! - whole groups may change places.

use std::fmt;
use std::ops::Range;

/// What an ID is, told by its number of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// An installation ID of 50 digits: release candidates of Windows XP.
    Installation50,
    /// An installation ID of 54 digits: Windows XP SP1 and later, Office XP to 2007, and keys of the pkey2005 family:
    /// Windows Vista and 7, Office 2010, and later products whose key group is of that family.
    Installation54,
    /// An installation ID of 63 digits: keys of the pkey2009 family, Windows 8 and later, Office 2013 and later. The family
    /// of the key decides, not the operating system.
    Installation63,
    /// A confirmation ID of 42 digits: Windows XP, Office XP to 2007.
    Confirmation42,
    /// A confirmation ID of 48 digits: Windows Vista and later, Office 2010 and later.
    Confirmation48,
}

impl IdKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Installation50,
        Self::Installation54,
        Self::Installation63,
        Self::Confirmation42,
        Self::Confirmation48,
    ];

    /// The kind of so many digits.
    #[must_use]
    pub fn of_length(digits: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.digits() == digits)
    }

    /// How many digits it has.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Installation50 => 50,
            Self::Installation54 => 54,
            Self::Installation63 => MOST_DIGITS,
            Self::Confirmation42 => 42,
            Self::Confirmation48 => 48,
        }
    }

    /// How many digits a group has, its check digit included.
    #[must_use]
    pub fn group_len(self) -> usize {
        match self {
            Self::Installation63 => 7,
            _ => 6,
        }
    }

    /// How many groups it has, the two last digits of [`Self::Installation50`] counted as one.
    #[must_use]
    pub fn groups(self) -> usize {
        self.digits().div_ceil(self.group_len())
    }

    /// True for the kinds of a confirmation ID.
    #[must_use]
    pub fn is_confirmation(self) -> bool {
        matches!(self, Self::Confirmation42 | Self::Confirmation48)
    }

    /// `installation ID` or `confirmation ID`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        if self.is_confirmation() { CONFIRMATION } else { INSTALLATION }
    }

    /// The letter of a group, counted from 0; those of an installation ID have none.
    fn letter(self, group: usize) -> Option<char> {
        LETTERS.chars().nth(group).filter(|_| self.is_confirmation())
    }

    /// How many digits this group has.
    fn len_of(self, group: usize) -> usize {
        self.group_len().min(self.digits().saturating_sub(group * self.group_len()))
    }
}

/// An installation ID or a confirmation ID, whichever a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// An installation ID.
    Installation(InstallationId),
    /// A confirmation ID.
    Confirmation(ConfirmationId),
}

impl Id {
    /// Reads an ID of whatever kind; its number of digits tells which.
    ///
    /// ```
    /// use volact::mak::{Id, IdKind};
    ///
    /// let id = Id::parse("154814-744406-423500-209405-874111-676042-686055")?;
    /// assert_eq!(id.kind(), IdKind::Confirmation42);
    /// assert_eq!(id.groups().nth(2), Some("423500"));
    ///
    /// let error = Id::parse("154814-744408-423500-209405-874111-676042-686055").unwrap_err();
    /// assert_eq!(error.groups[0].letter, Some('B'));
    /// # Ok::<(), volact::mak::IdError>(())
    /// ```
    ///
    /// # Errors
    /// A character that stands in no ID, a number of digits that no kind has, or all groups whose check digit is wrong.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let digits = parse(text, &IdKind::ALL)?;
        Ok(if digits.kind.is_confirmation() {
            Self::Confirmation(ConfirmationId(digits))
        } else {
            Self::Installation(InstallationId(digits))
        })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        self.inner().kind
    }

    /// Its digits, nothing between them.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.inner().as_str()
    }

    /// Its groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.inner().groups()
    }

    fn inner(&self) -> &Digits {
        match self {
            Self::Installation(InstallationId(digits)) | Self::Confirmation(ConfirmationId(digits)) => digits,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}

/// An installation ID of 50, 54 or 63 digits whose check digits are right; what a machine tells to be activated.
///
/// [`fmt::Display`] writes its groups with spaces between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallationId(Digits);

impl InstallationId {
    /// Reads an installation ID.
    ///
    /// # Errors
    /// As of [`Id::parse`]; a confirmation ID is none.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        parse(text, &IdKind::ALL[..3]).map(Self)
    }

    /// What it is: how many digits, and so of which products.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        self.0.kind
    }

    /// Its digits, nothing between them.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.as_str()
    }

    /// Its groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.groups()
    }
}

impl fmt::Debug for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstallationId({self})")
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A confirmation ID of 42 or 48 digits whose check digits are right; what a machine is told to be activated.
///
/// [`fmt::Display`] writes its groups with spaces between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfirmationId(Digits);

impl ConfirmationId {
    /// Reads a confirmation ID.
    ///
    /// # Errors
    /// As of [`Id::parse`]; an installation ID is none.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        parse(text, &IdKind::ALL[3..]).map(Self)
    }

    /// What it is: how many digits, and so of which products.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        self.0.kind
    }

    /// Its digits, nothing between them.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.as_str()
    }

    /// Its groups, A first.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.groups()
    }
}

impl fmt::Debug for ConfirmationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfirmationId({self})")
    }
}

impl fmt::Display for ConfirmationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no ID, and every group of it that is wrong.
///
/// [`fmt::Display`] is a line for the whole and one for each wrong group. Places are counted from 0 here, and from 1 there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError {
    /// What is wrong.
    pub kind: IdErrorKind,
    /// The groups that are wrong, in order, as far as they can be told; no more than [`IdError::MOST_GROUPS`].
    pub groups: Vec<WrongGroup>,
    /// What was looked for, as a noun.
    wanted: &'static str,
}

impl IdError {
    /// The most groups that are told apart in a text.
    pub const MOST_GROUPS: usize = 16;
}

/// What is wrong with a text that is no ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdErrorKind {
    /// A character that is no digit, nothing that separates groups, and no group's letter in its place.
    Character {
        /// The character.
        character: char,
        /// Its place in the text, in characters.
        offset: usize,
    },
    /// No kind has so many digits.
    Length {
        /// How many there are.
        digits: usize,
        /// What it seems to be, told by how the text is grouped or, where it is not, by the check digits that are right.
        id: Option<IdKind>,
    },
    /// It is an ID, and not of a kind that was looked for.
    OtherKind {
        /// What it is.
        found: IdKind,
    },
    /// The number of digits is right, but they are not grouped as the kind is, nor right when they are grouped anew.
    Grouping {
        /// What it is by its number of digits.
        id: IdKind,
    },
    /// Check digits are wrong.
    CheckDigits {
        /// What it is by its number of digits.
        id: IdKind,
        /// True where every check digit would be right in groups of 7 instead of 6, or 6 instead of 7.
        fits_other_groups: bool,
    },
}

/// A group that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongGroup {
    /// Which group, counted from 1.
    pub ordinal: usize,
    /// The group's letter in a confirmation ID.
    pub letter: Option<char>,
    /// Which digits of the ID are its.
    pub digits: Range<usize>,
    /// Where it stands in the text, in characters, from its first digit to just behind its last.
    pub characters: Range<usize>,
    /// What is wrong with it.
    pub fault: GroupFault,
}

/// What is wrong with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupFault {
    /// The last digit is not the check digit of those in front of it. Any of them may be the wrong one.
    CheckDigit {
        /// The last digit. 7, 8 and 9 never are a check digit.
        found: u8,
        /// The check digit of the digits in front of it.
        expected: u8,
    },
    /// The group has too many digits, or too few.
    Digits {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            IdErrorKind::Character { character, offset } => {
                write!(f, "{}: {character:?} at character {} is no digit", self.wanted, offset + 1)?;
            }
            IdErrorKind::Length { digits, id: Some(id) } => {
                write!(f, "{}: {digits} digits, {} are needed", id.noun(), id.digits())?;
            }
            IdErrorKind::Length { digits, id: None } => {
                write!(f, "{}: {digits} digits, ", self.wanted)?;
                f.write_str(match self.wanted {
                    INSTALLATION => "it has 50, 54 or 63",
                    CONFIRMATION => "it has 42 or 48",
                    _ => "an installation ID has 50, 54 or 63, a confirmation ID 42 or 48",
                })?;
            }
            IdErrorKind::OtherKind { found } => {
                write!(f, "{}: the {} digits are a valid {}", self.wanted, found.digits(), found.noun())?;
            }
            IdErrorKind::Grouping { id } => {
                let (noun, digits, size) = (id.noun(), id.digits(), id.group_len());
                write!(f, "{noun}: {digits} digits, but not in groups of {size}")?;
            }
            IdErrorKind::CheckDigits { id, fits_other_groups } => {
                let (noun, digits, wrong, groups) = (id.noun(), id.digits(), self.groups.len(), id.groups());
                write!(f, "{noun} of {digits} digits: {wrong} of {groups} groups wrong")?;
                if fits_other_groups {
                    write!(f, ", all right in groups of {}", other_size(id.group_len()))?;
                }
            }
        }
        self.groups.iter().try_for_each(|group| write!(f, "\n{group}"))
    }
}

impl fmt::Display for WrongGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letter {
            Some(letter) => write!(f, "group {letter}")?,
            None => write!(f, "group {}", self.ordinal)?,
        }
        match self.characters.len() {
            0 | 1 => write!(f, ", character {}: ", self.characters.start + 1)?,
            _ => write!(f, ", characters {} to {}: ", self.characters.start + 1, self.characters.end)?,
        }
        match self.fault {
            GroupFault::CheckDigit { found: found @ 7.., expected } => {
                write!(f, "the last digit is {found}, and a check digit is never 7, 8 or 9; ")?;
                write!(f, "the digits in front of it have {expected}")
            }
            GroupFault::CheckDigit { found, expected } => {
                write!(f, "the check digit is {found}, and the digits in front of it have {expected}")
            }
            GroupFault::Digits { found, expected } => {
                let plural = if found == 1 { "" } else { "s" };
                let (by, how) =
                    if found > expected { (found - expected, "many") } else { (expected - found, "few") };
                write!(f, "{found} digit{plural}, {by} too {how}")
            }
        }
    }
}

impl std::error::Error for IdError {}

/// Valid digits as ASCII, and behind them zero bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Digits {
    kind: IdKind,
    text: [u8; MOST_DIGITS],
}

impl Digits {
    fn as_str(&self) -> &str {
        as_str(&self.text[..self.kind.digits()])
    }

    fn groups(&self) -> impl Iterator<Item = &str> {
        self.text[..self.kind.digits()].chunks(self.kind.group_len()).map(as_str)
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.groups().enumerate().try_for_each(|(i, group)| {
            f.write_str(if i == 0 { "" } else { " " })?;
            f.write_str(group)
        })
    }
}

/// Digits as text; they are ASCII.
fn as_str(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

fn parse(text: &str, wanted: &[IdKind]) -> Result<Digits, IdError> {
    match read(text) {
        Some(digits) if wanted.contains(&digits.kind) => Ok(digits),
        found => Err(diagnose(text, wanted, found)),
    }
}

/// The digits of a text that is an ID and right in everything.
fn read(text: &str) -> Option<Digits> {
    let (digits, kind) = read_bare(text).or_else(|| read_plain(text)).or_else(|| read_any(text))?;
    let is_right = fits(&digits[..kind.digits()], kind.group_len());
    is_right.then_some(Digits { kind, text: digits })
}

/// The digits of a text that has nothing else.
#[inline]
fn read_bare(text: &str) -> Option<([u8; MOST_DIGITS], IdKind)> {
    let kind = IdKind::of_length(text.len())?;
    // All of them at once is faster than to stop at the first.
    if !text.bytes().fold(true, |all, byte| all & byte.is_ascii_digit()) {
        return None;
    }
    let mut digits = [0; MOST_DIGITS];
    digits[..text.len()].copy_from_slice(text.as_bytes());
    Some((digits, kind))
}

/// The digits of a text that has ASCII digits and separators only.
#[inline]
fn read_plain(text: &str) -> Option<([u8; MOST_DIGITS], IdKind)> {
    // Every byte is written, and the next one over it if it was no digit, so that nothing depends on what it was.
    let mut digits = [0; MOST_DIGITS + 1];
    let mut count = 0;
    for byte in text.bytes() {
        let plain = PLAIN[usize::from(byte)];
        if plain == NOT_PLAIN {
            return None;
        }
        *digits.get_mut(count)? = byte;
        count += usize::from(plain);
    }
    let kind = IdKind::of_length(count)?;
    digits[count] = 0;
    let digits = digits.first_chunk()?;
    Some((*digits, kind))
}

/// The digits of any text; letters have to be right.
fn read_any(text: &str) -> Option<([u8; MOST_DIGITS], IdKind)> {
    let mut digits = [0; MOST_DIGITS];
    let mut count = 0;
    let mut letters = 0;
    for c in text.chars() {
        match Symbol::of(c) {
            Symbol::Digit(digit) => {
                *digits.get_mut(count)? = digit;
                count += 1;
            }
            Symbol::Separator => {}
            Symbol::Letter(group) if count == 6 * group && letters <= group => letters = group + 1,
            Symbol::Letter(_) | Symbol::Other => return None,
        }
    }
    let kind = IdKind::of_length(count)?;
    (letters == 0 || kind.is_confirmation()).then_some((digits, kind))
}

/// What a character is in an ID.
#[derive(Clone, Copy)]
enum Symbol {
    /// A digit, as ASCII.
    Digit(u8),
    Separator,
    /// The letter of a group, counted from 0.
    Letter(usize),
    Other,
}

impl Symbol {
    #[inline]
    fn of(c: char) -> Self {
        match c {
            '0'..='9' => Self::Digit(ascii_digit(c, '0')),
            ' ' | '-' | '.' | ',' | '/' | ':' => Self::Separator,
            'A'..='H' => Self::Letter(c as usize - 'A' as usize),
            'a'..='h' => Self::Letter(c as usize - 'a' as usize),
            _ => Self::unusual(c),
        }
    }

    #[cold]
    fn unusual(c: char) -> Self {
        match c {
            '\u{ff10}'..='\u{ff19}' => Self::Digit(ascii_digit(c, '\u{ff10}')),
            '\u{ad}' | '\u{200b}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{feff}' | '\u{ff0d}' => {
                Self::Separator
            }
            _ if c.is_whitespace() => Self::Separator,
            _ => Self::Other,
        }
    }
}

/// A digit as ASCII, of a script whose zero this is.
#[inline]
fn ascii_digit(c: char, zero: char) -> u8 {
    b'0' + (c as u32 - zero as u32).to_le_bytes()[0]
}

/// True where the check digit of every full group is right.
fn fits(digits: &[u8], size: usize) -> bool {
    // The sizes are told apart so that the loops over a group have a known length.
    if size == 6 {
        digits.as_chunks::<6>().0.iter().all(|group| fault(group).is_none())
    } else {
        digits.as_chunks::<7>().0.iter().all(|group| fault(group).is_none())
    }
}

/// What is wrong with the check digit of a full group.
#[inline]
fn fault(group: &[u8]) -> Option<GroupFault> {
    let (last, digits) = group.split_last()?;
    let sum: usize = digits.iter().enumerate().map(|(i, digit)| usize::from(digit - b'0') << (i & 1)).sum();
    let (found, expected) = (last - b'0', CHECK_DIGITS[sum % CHECK_DIGITS.len()]);
    (found != expected).then_some(GroupFault::CheckDigit { found, expected })
}

fn other_size(size: usize) -> usize {
    if size == 6 { 7 } else { 6 }
}

/// What is wrong with a text that [`read`] did not take, or that is of another kind.
#[cold]
fn diagnose(text: &str, wanted: &[IdKind], found: Option<Digits>) -> IdError {
    let noun = match wanted {
        [first, .., last] if first.is_confirmation() == last.is_confirmation() => first.noun(),
        _ => "ID",
    };
    let error = |kind, groups| IdError { kind, groups, wanted: noun };
    if let Some(Digits { kind: found, .. }) = found {
        return error(IdErrorKind::OtherKind { found }, Vec::new());
    }
    let seen = match Seen::of(text) {
        Ok(seen) => seen,
        Err((offset, character)) => return error(IdErrorKind::Character { character, offset }, Vec::new()),
    };
    let (digits, id) = (seen.count, wanted.iter().copied().find(|kind| kind.digits() == seen.count));
    let Some(id) = id else {
        let (id, groups) =
            seen.judged_by_runs(wanted).or_else(|| seen.judged_by_checks(wanted)).unwrap_or_default();
        return error(IdErrorKind::Length { digits, id }, groups);
    };
    if let Some((Some(judged), groups)) = seen.judged_by_runs(&[id])
        && groups.iter().any(|group| matches!(group.fault, GroupFault::Digits { .. }))
    {
        return error(IdErrorKind::Grouping { id: judged }, groups);
    }
    let groups = seen.wrong_groups(id);
    match seen.misplaced_letter {
        // Everything else is right, or the letters are an installation ID's.
        Some((offset, character)) if groups.is_empty() => {
            error(IdErrorKind::Character { character, offset }, groups)
        }
        _ => {
            let fits_other_groups = fits(&seen.digits, other_size(id.group_len()));
            error(IdErrorKind::CheckDigits { id, fits_other_groups }, groups)
        }
    }
}

/// A text looked at once more, to say what is wrong with it.
#[derive(Default)]
struct Seen {
    /// The first digits, as ASCII.
    digits: Vec<u8>,
    /// Where each of them stands in the text, in characters.
    at: Vec<usize>,
    /// How many there are.
    count: usize,
    /// The digits with which a run begins: digits that nothing separates.
    starts: Vec<usize>,
    /// The first letter that does not stand in front of the group that it names, if any.
    misplaced_letter: Option<(usize, char)>,
}

impl Seen {
    /// Looks at a text; an error is the first character that stands in no ID.
    fn of(text: &str) -> Result<Self, (usize, char)> {
        let mut seen = Self::default();
        let mut is_separated = true;
        let mut letters = 0;
        let mut first_letter = None;
        for (offset, c) in text.chars().enumerate() {
            match Symbol::of(c) {
                Symbol::Digit(digit) => {
                    if is_separated && seen.starts.len() <= IdError::MOST_GROUPS {
                        seen.starts.push(seen.count);
                    }
                    if seen.digits.len() < MOST_SEEN {
                        seen.digits.push(digit);
                        seen.at.push(offset);
                    }
                    seen.count += 1;
                    is_separated = false;
                }
                Symbol::Separator => is_separated = true,
                Symbol::Letter(group) if group >= letters => {
                    first_letter.get_or_insert((offset, c));
                    if seen.count != 6 * group {
                        seen.misplaced_letter.get_or_insert((offset, c));
                    }
                    letters = group + 1;
                    is_separated = true;
                }
                Symbol::Letter(_) | Symbol::Other => return Err((offset, c)),
            }
        }
        if IdKind::of_length(seen.count).is_some_and(|kind| !kind.is_confirmation()) {
            seen.misplaced_letter = first_letter;
        }
        Ok(seen)
    }

    fn group(
        &self,
        id: Option<IdKind>,
        ordinal: usize,
        digits: Range<usize>,
        fault: GroupFault,
    ) -> WrongGroup {
        let characters = match &self.at[digits.clone()] {
            [first, .., last] => *first..last + 1,
            [only] => *only..only + 1,
            [] => 0..0,
        };
        let letter = id.and_then(|id| id.letter(ordinal - 1));
        WrongGroup { ordinal, letter, digits, characters, fault }
    }

    /// The groups of an ID of the right length whose check digit is wrong.
    fn wrong_groups(&self, id: IdKind) -> Vec<WrongGroup> {
        let size = id.group_len();
        let groups = self.digits.chunks_exact(size).zip(1..);
        let wrong = groups.filter_map(|(group, ordinal)| {
            let digits = (ordinal - 1) * size..ordinal * size;
            fault(group).map(|fault| self.group(Some(id), ordinal, digits, fault))
        });
        wrong.collect()
    }

    /// Judges each run as the group that it is meant for; `None` where the text is not grouped as IDs are, or all runs are
    /// right.
    fn judged_by_runs(&self, wanted: &[IdKind]) -> Option<(Option<IdKind>, Vec<WrongGroup>)> {
        if self.starts.len() < 2 || self.starts.len() > IdError::MOST_GROUPS || self.count > MOST_SEEN {
            return None;
        }
        let ends = self.starts[1..].iter().copied().chain([self.count]);
        let runs: Vec<Range<usize>> = self.starts.iter().zip(ends).map(|(&start, end)| start..end).collect();
        let of_size = |size: usize| runs.iter().filter(|run| run.len() == size).count();
        let size = if of_size(7) > of_size(6) { 7 } else { 6 };
        if 2 * of_size(size) < runs.len() {
            return None;
        }
        // Nine groups of 6 are 54 digits, unless the last one is not a group but the two digits behind eight.
        let ends_with_two = runs.last().is_some_and(|run| run.len() < 4);
        let id = wanted.iter().copied().find(|kind| {
            let is_50 = *kind == IdKind::Installation50;
            kind.group_len() == size
                && kind.groups() == runs.len()
                && is_50 == (ends_with_two && runs.len() == 9)
        });
        let judged = runs.iter().zip(1..).filter_map(|(run, ordinal)| {
            let expected = id.map_or(size, |id| id.len_of(ordinal - 1));
            let fault = match run.len() {
                found if found != expected => Some(GroupFault::Digits { found, expected }),
                found if found == size => fault(&self.digits[run.clone()]),
                _ => None,
            };
            fault.map(|fault| self.group(id, ordinal, run.clone(), fault))
        });
        let groups: Vec<WrongGroup> = judged.collect();
        (!groups.is_empty()).then_some((id, groups))
    }

    /// Looks for the only group that lacks a digit, or has one too many, so that all groups in front and behind are right.
    fn judged_by_checks(&self, wanted: &[IdKind]) -> Option<(Option<IdKind>, Vec<WrongGroup>)> {
        let mut found = None;
        for &id in wanted.iter().filter(|id| id.digits().abs_diff(self.count) == 1) {
            let size = id.group_len();
            for group in 0..id.groups() {
                let expected = id.len_of(group);
                let (begin, behind) = (group * size, id.digits() - group * size - expected);
                let (front, rest) = self.digits.split_at(begin);
                let (middle, back) = rest.split_at(rest.len() - behind);
                if fits(front, size) && fits(back, size) {
                    let fault = GroupFault::Digits { found: middle.len(), expected };
                    let digits = begin..begin + middle.len();
                    if found
                        .replace((Some(id), vec![self.group(Some(id), group + 1, digits, fault)]))
                        .is_some()
                    {
                        return None;
                    }
                }
            }
        }
        found
    }
}

const INSTALLATION: &str = "installation ID";
const CONFIRMATION: &str = "confirmation ID";

/// The letters of a confirmation ID's groups.
const LETTERS: &str = "ABCDEFGH";

/// Digits of the longest kind.
const MOST_DIGITS: usize = 63;

/// Digits of a text that are looked at to say what is wrong with it; more are only counted.
const MOST_SEEN: usize = 2 * MOST_DIGITS;

/// The check digit of each sum, the greatest one being that of six nines.
const CHECK_DIGITS: [u8; 128] = {
    let mut digits = [0; 128];
    let mut sum = 1;
    while sum < digits.len() {
        digits[sum] = (digits[sum - 1] + 1) % 7;
        sum += 1;
    }
    digits
};

/// How many digits an ASCII character is, or [`NOT_PLAIN`] where it is no separator either.
const PLAIN: [u8; 256] = {
    let mut plain = [NOT_PLAIN; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        plain[digit as usize] = 1;
        digit += 1;
    }
    let separators = b" -.,/:\t\n\x0b\x0c\r";
    let mut i = 0;
    while i < separators.len() {
        plain[separators[i] as usize] = 0;
        i += 1;
    }
    plain
};
const NOT_PLAIN: u8 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_plain_is_a_digit_or_a_separator() {
        for byte in 0..=255 {
            let expected = match Symbol::of(char::from(byte)) {
                Symbol::Digit(_) => 1,
                Symbol::Separator if byte.is_ascii() => 0,
                _ => NOT_PLAIN,
            };
            assert_eq!(PLAIN[usize::from(byte)], expected, "{byte:#04x}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn digits_are_the_same_whichever_way_they_are_read(
            digits in prop_oneof![
                Just(50), Just(54), Just(63), Just(42), Just(48), 0..200_usize
            ].prop_flat_map(|count| prop::collection::vec("[0-9]", count)),
            between in prop::collection::vec(("[- .,/:\t\n\u{b}\u{c}\r]{0,3}", 0..200_usize), 0..12),
            odd in prop_oneof![4 => Just(String::new()), 1 => "[A-Ha-h\u{a0}\u{ff11}x]"],
        ) {
            let mut parts = digits;
            for (separator, place) in between {
                parts.insert(place % (parts.len() + 1), separator);
            }
            let separated = parts.concat();
            let bare = separated.replace(|c: char| !c.is_ascii_digit(), "");
            for text in [&bare, &separated, &format!("{odd}{separated}"), &format!("{separated}{odd}")] {
                let any = read_any(text);
                let is_plain = text.bytes().all(|byte| PLAIN[usize::from(byte)] != NOT_PLAIN);
                prop_assert_eq!(read_plain(text), any.filter(|_| is_plain));
                let is_bare = text.bytes().all(|byte| byte.is_ascii_digit());
                prop_assert_eq!(read_bare(text), any.filter(|_| is_bare));
            }
        }
    }
}
