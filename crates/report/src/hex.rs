//! Addresses and bytes as the formats for programs write them.

use cachesim::instructions::Code;

/// `0x10782`.
pub(crate) fn address(vaddr: u64) -> String {
    format!("{vaddr:#x}")
}

/// Two digits a byte, in the order of memory, with blanks between: `9306` would be read as a number.
pub(crate) fn bytes(code: &Code) -> String {
    code.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_zeros_and_their_order() {
        assert_eq!(bytes(&Code::new(&[0x01, 0x00])), "01 00");
        assert_eq!(bytes(&Code::new(&[0x93])), "93");
        assert_eq!(bytes(&Code::default()), "");
    }

    #[test]
    fn an_address_may_have_the_highest_bit() {
        assert_eq!(address(0xffff_ffff_8000_0000), "0xffffffff80000000");
    }
}
