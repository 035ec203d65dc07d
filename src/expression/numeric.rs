//! PostgreSQL's numeric as bytes, to and from doubles. Must stay exact to the digits of the type.

use super::power;

/// `numeric_recv`: digit groups of 10,000, the weight of the first, the sign, digits after the point.
pub(super) fn write_numeric(value: f64, fraction_digits: u16, out: &mut Vec<u8>) {
    let groups_after = fraction_digits.div_ceil(4);
    let scaled = value.abs() * POWERS_OF_TEN[usize::from(fraction_digits.min(38))];
    let mut groups = [0_u16; 32];
    let mut count = 0;
    if scaled < 1e14 {
        // Filled up to whole groups it stays below 2⁶³.
        let fill = u32::from(groups_after * 4 - fraction_digits);
        let mut rest = power::round(scaled) as u64 * 10_u64.pow(fill);
        while 0 < rest {
            (groups[count], rest, count) = ((rest % 10_000) as u16, rest / 10_000, count + 1);
        }
    } else {
        let mut rest = libm::round(scaled) as u128 * 10_u128.pow(u32::from(groups_after * 4 - fraction_digits));
        while 0 < rest {
            (groups[count], rest, count) = ((rest % 10_000) as u16, rest / 10_000, count + 1);
        }
    }
    // The groups stand last first; zeros at the end are left out.
    let zeros = groups[..count].iter().take_while(|group| **group == 0).count();
    let weight = if count == 0 { 0 } else { count as i16 - 1 - groups_after as i16 };
    let sign: u16 = if value < 0.0 && 0 < count { 0x4000 } else { 0 };
    let mut bytes = [0_u8; 8 + 64];
    bytes[..2].copy_from_slice(&((count - zeros) as u16).to_be_bytes());
    bytes[2..4].copy_from_slice(&weight.to_be_bytes());
    bytes[4..6].copy_from_slice(&sign.to_be_bytes());
    bytes[6..8].copy_from_slice(&fraction_digits.to_be_bytes());
    for (place, group) in groups[zeros..count].iter().rev().enumerate() {
        bytes[8 + 2 * place..10 + 2 * place].copy_from_slice(&group.to_be_bytes());
    }
    out.extend_from_slice(&bytes[..8 + 2 * (count - zeros)]);
}

/// `numeric_send`, as the nearest double; NaN and the infinities are none.
pub(super) fn read_numeric(bytes: &[u8]) -> Option<f64> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (groups, weight, sign) = (word(0)?, word(2)? as i16, word(4)?);
    let mut value = 0.0;
    for group in 0..usize::from(groups) {
        value += f64::from(word(8 + 2 * group)?) * libm::pow(10_000.0, f64::from(weight) - group as f64);
    }
    match sign {
        0 => Some(value),
        0x4000 => Some(-value),
        _ => None,
    }
}

/// Powers of ten by their exponent.
pub(super) const POWERS_OF_TEN: [f64; 39] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38,
];
