/// The eight decimal digits of a number below 10^8, zeros in front. All are made at once: halves, quarters and eighths
/// of the number stand side by side in one word, and each division is a multiplication with a shift.
#[inline]
pub(crate) fn eight_digits(number: u32) -> [u8; 8] {
    debug_assert!(number < 100_000_000);
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - 10 * tens) << 8);
    (ones | u64::from_le_bytes([b'0'; 8])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_four_digits_is_right_in_both_halves() {
        for group in 0..10_000 {
            for number in [group, group * 10_000, group * 10_001, 99_990_000 + group] {
                assert_eq!(eight_digits(number), format!("{number:08}").as_bytes());
            }
        }
    }
}
