//! Commitments: a receipt proves a text without showing it.
//!
//! A commitment is SHA-256 over 32 random salt bytes, then the exact text in UTF-8. It stands in the signed member
//! `commitments` under the JSON pointer of the place where the text would be, and that place is absent. Salt and text
//! together are a [`Disclosure`], kept apart, encrypted, handed out to those entitled and erased as one. Without the salt a
//! short text cannot be guessed from its commitment; so a salt is used once and never leaves its text.
//!
//! The places are fixed by [`place`], and by [`place::fact`] for a fact of some name.

use sha2::{Digest as _, Sha256};

use crate::canonical::FormatError;
use crate::v1::{Disclosure, Disclosures, Receipt};
use crate::values::{Base64, Digest};

/// The JSON pointers under which texts are committed.
pub mod place {
    /// The arguments as the agent gave them, exactly.
    pub const PARAMETERS: &str = "/action/parameters";
    /// The arguments after edits, exactly as they are forwarded.
    pub const EDITED_PARAMETERS: &str = "/action/edited_parameters";
    /// What the tool answered.
    pub const OUTPUT: &str = "/outcome/output";
    /// The error the tool answered with.
    pub const ERROR: &str = "/outcome/error";
    /// What the user asked for.
    pub const ORIGINAL_REQUEST: &str = "/session/original_request";
    /// What the approver said.
    pub const APPROVAL_REASON: &str = "/approval/reason";
    /// A turn of the user.
    pub const TURN: &str = "/turn/text";
    /// What a server says of a tool.
    pub const DEFINITION: &str = "/contract/definition";
    /// What an action adds to counters.
    pub const AMOUNTS: &str = "/context/amounts";

    /// The places that no receipt can have as members.
    pub(super) const ABSENT: [&str; 9] = [
        PARAMETERS,
        EDITED_PARAMETERS,
        OUTPUT,
        ERROR,
        ORIGINAL_REQUEST,
        APPROVAL_REASON,
        TURN,
        DEFINITION,
        AMOUNTS,
    ];
    /// The place under which facts stand, one level below so that no fact's name can meet a member of `facts`.
    pub(super) const FACTS: &str = "/facts/values/";

    /// The place of the value of the fact with this name.
    #[must_use]
    pub fn fact(name: &str) -> String {
        format!("{FACTS}{}", name.replace('~', "~0").replace('/', "~1"))
    }
}

/// A commitment that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// Something is disclosed that the receipt does not commit to.
    #[error("a text is disclosed at `{0}`, where the receipt commits to nothing")]
    Uncommitted(String),
    /// What is disclosed is not what was committed to.
    #[error("the text or salt disclosed at `{0}` is not what the receipt commits to")]
    Mismatch(String),
}

/// The commitment to this text under this salt.
#[must_use]
pub fn commitment(salt: &[u8; 32], text: &str) -> Digest {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(text.as_bytes());
    Digest::from_bytes(hash.finalize().into())
}

impl Receipt {
    /// Commits to `text` at `place` and puts what opens it into `disclosures`, in place of what either held there.
    ///
    /// `salt` is 32 fresh random bytes, never used before.
    pub fn commit(
        &mut self,
        disclosures: &mut Disclosures,
        place: impl Into<String>,
        salt: [u8; 32],
        text: impl Into<String>,
    ) {
        let (place, value) = (place.into(), text.into());
        self.commitments.insert(place.clone(), commitment(&salt, &value));
        disclosures.insert(place, Disclosure { salt: Base64(salt), value });
    }
}

/// Whether every disclosure opens a commitment of the receipt; commitments without a disclosure are withheld, not wrong.
///
/// # Errors
/// The first disclosure that opens nothing or opens something else.
pub fn check(receipt: &Receipt, disclosures: &Disclosures) -> Result<(), CommitmentError> {
    for (place, disclosure) in disclosures {
        let Some(committed) = receipt.commitments.get(place) else {
            return Err(CommitmentError::Uncommitted(place.clone()));
        };
        if commitment(&disclosure.salt.0, &disclosure.value) != *committed {
            return Err(CommitmentError::Mismatch(place.clone()));
        }
    }
    Ok(())
}

/// Whether every commitment stands under a JSON pointer to a place that is absent from the receipt.
pub(crate) fn check_places(receipt: &Receipt) -> Result<(), FormatError> {
    let unknown = |place: &&String| {
        !place::ABSENT.contains(&place.as_str())
            && !place.strip_prefix(place::FACTS).is_some_and(|name| !name.contains('/') && is_pointer(place))
    };
    let mut others = receipt.commitments.keys().filter(unknown).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let value = serde_json::to_value(receipt).map_err(|error| FormatError::Json(error.to_string()))?;
    for place in others {
        let unsigned = ["/signature", "/disclosures"].iter().any(|member| {
            place.strip_prefix(member).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !is_pointer(place) || unsigned || value.pointer(place).is_some() {
            return Err(FormatError::Place(place.clone()));
        }
    }
    Ok(())
}

/// RFC 6901: empty or begun by a slash, and every `~` is `~0` or `~1`. The whole document is no place for a commitment.
fn is_pointer(place: &str) -> bool {
    place.starts_with('/')
        && place.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::Kind;
    use crate::values::Time;

    fn receipt() -> Receipt {
        Receipt::new(Kind::Recovery, "system", "r-1", Time::default())
    }

    #[test]
    fn a_commitment_is_sha256_over_salt_then_text() {
        let by_hand = Digest::of(&[&[7_u8; 32][..], "Zürich".as_bytes()].concat());
        assert_eq!(commitment(&[7; 32], "Zürich"), by_hand);
    }

    #[test]
    fn a_commitment_stands_only_where_nothing_is() {
        for (place, good) in [
            ("/action/parameters", true),
            ("/facts/values/names", true),
            ("/facts/values/a~1b", true),
            ("/facts/values/a~2b", false),
            ("/other/place", true),
            ("/id/x", true),
            ("/id", false),
            ("/epochs/halt", false),
            ("", false),
            ("action/parameters", false),
            ("/a~", false),
            ("/signature", false),
            ("/disclosures/x", false),
            ("/signatures", true),
        ] {
            let mut receipt = receipt();
            receipt.commit(&mut Disclosures::new(), place, [0; 32], "x");
            let result = receipt.signed_bytes();
            assert_eq!(result.is_ok(), good, "{place}: {result:?}");
        }
    }

    #[test]
    fn fact_names_are_escaped() {
        assert_eq!(place::fact("a/b~c"), "/facts/values/a~1b~0c");
    }

    #[test]
    fn debug_output_never_shows_a_disclosure() {
        let mut disclosures = Disclosures::new();
        receipt().commit(&mut disclosures, place::OUTPUT, [7; 32], "secret");
        assert!(!format!("{disclosures:?}").contains("secret"));
    }
}
