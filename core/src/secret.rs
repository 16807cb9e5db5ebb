//! Text that is wiped from memory when it is dropped, and that prints as `***`.

use alloc::string::String;
use core::fmt;
use core::mem;

use zeroize::Zeroize;

/// A secret text: wiped when dropped; its Debug output does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Takes over the text as it is: moving a `String` leaves no copy that would have to be wiped.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for where it must be sent or compared.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A number by which to recognise the text later, when it has been wiped. For random texts: anybody can compute it.
    pub fn digest(&self) -> u64 {
        let fnv_1a = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.expose().bytes().fold(0xcbf2_9ce4_8422_2325, fnv_1a)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Faster than `String::zeroize`, which writes byte by byte; and it wipes the whole allocation.
        let mut bytes = mem::take(&mut self.0).into_bytes();
        bytes.clear();
        bytes.spare_capacity_mut().zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
