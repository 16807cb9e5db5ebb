//! Text that is wiped from memory when it is dropped, and that prints as `***`.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use zeroize::Zeroizing;

/// A secret text: wiped when dropped; its Debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over the text as it is: moving a `String` leaves no copy that would have to be wiped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for where it must be sent or compared.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A number that differs between two texts within this process, and that reveals neither.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.expose().hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
