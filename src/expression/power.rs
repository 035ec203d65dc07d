//! ln, exp and powers from additions, multiplications and divisions alone: the same bits on every machine, and several
//! times faster than a portable C library. Must not be changed: every dataset's bytes depend on it.
//!
//! ln: x = 2^k m with √½ ≤ m < √2, ln m = 2 artanh((m − 1)/(m + 1)) by its series. exp: x = k ln 2 + r with
//! |r| ≤ ½ ln 2, exp r by its Taylor series. Relative errors stay below 4·10⁻¹⁶ and 10⁻¹⁵ (see the
//! tests).

const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The natural logarithm of a positive, finite number.
#[must_use]
pub fn ln(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    if !(f64::MIN_POSITIVE..=f64::MAX).contains(&x) {
        return libm::log(x);
    }
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i64) >> 52;
    let mantissa = f64::from_bits(x.to_bits().wrapping_sub((exponent << 52) as u64));
    let f = (mantissa - 1.0) / (mantissa + 1.0);
    let z = f * f;
    let z2 = z * z;
    let z4 = z2 * z2;
    // 2/3 + 2z/5 + …, in pairs so that the processor works on several at a time.
    let low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0));
    let high = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0)) + z4 * (2.0 / 19.0);
    let series = 2.0 * f + f * z * (low + z4 * high);
    let k = exponent as f64;
    k * LN_2_HIGH + (k * LN_2_LOW + series)
}

/// e to the power of `x`; 0 below −708 and infinity above 709.
#[must_use]
pub fn exp(x: f64) -> f64 {
    if x < -708.0 {
        return 0.0;
    }
    if x.is_nan() || 709.0 < x {
        return libm::exp(x);
    }
    let k = (x * std::f64::consts::LOG2_E + if x < 0.0 { -0.5 } else { 0.5 }) as i64;
    let r = (x - k as f64 * LN_2_HIGH) - k as f64 * LN_2_LOW;
    let r2 = r * r;
    let r4 = r2 * r2;
    let first = (1.0 + r) + r2 * (1.0 / 2.0 + r * (1.0 / 6.0));
    let second = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5_040.0));
    let third = (1.0 / 40_320.0 + r * (1.0 / 362_880.0)) + r2 * (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0));
    let sum = first + r4 * (second + r4 * (third + r4 * (1.0 / 479_001_600.0)));
    sum * f64::from_bits(((1023 + k) as u64) << 52)
}

/// `x` to the power of `a`, for x ≥ 0.
#[must_use]
pub fn pow(x: f64, a: f64) -> f64 {
    if x <= 0.0 { libm::pow(x, a) } else { exp(a * ln(x)) }
}

/// The nearest whole number, halves away from zero, for numbers below 2⁶³.
#[must_use]
pub fn round(x: f64) -> i64 {
    let whole = x as i64;
    let rest = x - whole as f64;
    whole + i64::from(0.5 <= rest) - i64::from(rest <= -0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Key;

    #[test]
    fn they_agree_with_the_library() {
        let key = Key::new(8);
        for n in 0..200_000 {
            let x = libm::exp(key.unit(n) * 80.0 - 40.0);
            let (found, right) = (ln(x), libm::log(x));
            assert!((found - right).abs() <= 4e-16 * right.abs().max(0.3), "ln {x}: {found} {right}");
            let y = key.unit(n + 1_000_000) * 200.0 - 100.0;
            let (found, right) = (exp(y), libm::exp(y));
            assert!((found / right - 1.0).abs() < 1e-15, "exp {y}: {found} {right}");
            let a = key.unit(n + 2_000_000) * 6.0 - 3.0;
            assert!((pow(x, a) / libm::pow(x, a) - 1.0).abs() < 3e-14, "{x}^{a}");
        }
        assert_eq!((ln(1.0), exp(0.0), pow(0.0, 0.5), exp(-800.0)), (0.0, 1.0, 0.0, 0.0));
    }

    #[test]
    fn their_bits_never_change() {
        let bits = |x: f64| x.to_bits();
        let found = [bits(ln(3.7)), bits(exp(-1.3)), bits(pow(12_345.678, 0.37))];
        assert_eq!(found, [4_608_571_026_371_700_048, 4_598_581_116_244_124_289, 4_629_791_656_599_782_006]);
    }

    #[test]
    fn halves_go_away_from_zero() {
        let found: Vec<i64> = [0.5, -0.5, 1.5, 2.49, -2.51, 0.499_999_999_999_999_94].map(round).to_vec();
        assert_eq!(found, [1, -1, 2, 2, -3, 0]);
    }
}
