//! What `\set`, `\if` and `\sleep` of a pgbench script compute. Must be a pure function of slots and stream.
//!
//! Meaning and names: PostgreSQL documentation, "pgbench", tables of operators and functions. Random
//! functions have pgbench's distributions but our own streams, and `permute` a permutation of our own:
//! the values differ from pgbench's, what they are like does not.

pub(super) mod parse;

use crate::expression::{Key, Permutation, Value, Zipf};

/// A computation.
#[derive(Debug, Clone)]
pub enum Formula {
    /// Always the same.
    Const(Value<'static>),
    /// What a slot holds.
    Slot(usize),
    /// A function or operator of other formulas; the number names its stream.
    Call(Function, Vec<Formula>, u64),
    /// The value of the first condition that holds, or the last formula.
    Case(Vec<(Formula, Formula)>, Box<Formula>),
}

/// Functions and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Or,
    And,
    Not,
    IsNull,
    IsTrue,
    IsFalse,
    Less,
    AtMost,
    Equal,
    Differs,
    Above,
    AtLeast,
    BitOr,
    BitXor,
    BitAnd,
    BitNot,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
    Abs,
    Debug,
    Double,
    Exp,
    Greatest,
    Fnv1a,
    Murmur2,
    Int,
    Least,
    Ln,
    Permute,
    Pi,
    Power,
    Random,
    RandomExponential,
    RandomGaussian,
    RandomZipfian,
    Sqrt,
}

/// Names of functions with the fewest and the most arguments.
pub(super) const FUNCTIONS: [(&str, Function, usize, usize); 24] = [
    ("abs", Function::Abs, 1, 1),
    ("debug", Function::Debug, 1, 1),
    ("double", Function::Double, 1, 1),
    ("exp", Function::Exp, 1, 1),
    ("greatest", Function::Greatest, 1, usize::MAX),
    ("hash", Function::Murmur2, 1, 2),
    ("hash_fnv1a", Function::Fnv1a, 1, 2),
    ("hash_murmur2", Function::Murmur2, 1, 2),
    ("int", Function::Int, 1, 1),
    ("least", Function::Least, 1, usize::MAX),
    ("ln", Function::Ln, 1, 1),
    ("mod", Function::Modulo, 2, 2),
    ("permute", Function::Permute, 2, 3),
    ("pi", Function::Pi, 0, 0),
    ("pow", Function::Power, 2, 2),
    ("power", Function::Power, 2, 2),
    ("random", Function::Random, 2, 2),
    ("random_exponential", Function::RandomExponential, 3, 3),
    ("random_gaussian", Function::RandomGaussian, 3, 3),
    ("random_zipfian", Function::RandomZipfian, 3, 3),
    ("sqrt", Function::Sqrt, 1, 1),
    ("div", Function::Divide, 2, 2),
    ("round", Function::Int, 1, 1),
    ("not", Function::Not, 1, 1),
];

/// Why a computation has no value.
pub(super) type Unfit = &'static str;

impl Formula {
    /// The value for slots, at `n` of a stream.
    ///
    /// # Errors
    /// Division by zero, a number out of range, an argument of the wrong kind.
    pub fn value(&self, slots: &[Value<'_>], key: Key, n: u64) -> Result<Value<'static>, Unfit> {
        match self {
            Self::Const(value) => Ok(value.clone()),
            Self::Slot(slot) => Ok(slots[*slot].clone().into_owned()),
            Self::Case(branches, otherwise) => {
                for (condition, result) in branches {
                    if condition.holds(slots, key, n)? {
                        return result.value(slots, key, n);
                    }
                }
                otherwise.value(slots, key, n)
            }
            Self::Call(function, arguments, site) => {
                let mut values = [Value::Null, Value::Null, Value::Null];
                if values.len() < arguments.len() {
                    return extreme(*function, arguments, slots, key, n);
                }
                for (place, argument) in values.iter_mut().zip(arguments) {
                    *place = argument.value(slots, key, n)?;
                }
                call(*function, &values[..arguments.len()], key.numbered(*site), n)
            }
        }
    }

    /// Whether it is true: a number other than 0 counts, NULL does not.
    ///
    /// # Errors
    /// As [`Formula::value`].
    pub fn holds(&self, slots: &[Value<'_>], key: Key, n: u64) -> Result<bool, Unfit> {
        truth(&self.value(slots, key, n)?).map(|truth| truth.unwrap_or(false))
    }
}

/// `least` and `greatest` take any number of arguments.
fn extreme(
    function: Function,
    arguments: &[Formula],
    slots: &[Value<'_>],
    key: Key,
    n: u64,
) -> Result<Value<'static>, Unfit> {
    let mut found = arguments[0].value(slots, key, n)?;
    for argument in &arguments[1..] {
        found = call(function, &[found, argument.value(slots, key, n)?], key, n)?;
    }
    Ok(found)
}

fn call(function: Function, values: &[Value<'static>], key: Key, n: u64) -> Result<Value<'static>, Unfit> {
    use Function as F;
    let null = values.contains(&Value::Null);
    match function {
        F::IsNull => return Ok(Value::Bool(null)),
        F::IsTrue => return Ok(Value::Bool(truth(&values[0])? == Some(true))),
        F::IsFalse => return Ok(Value::Bool(truth(&values[0])? == Some(false))),
        F::And | F::Or => return connective(function, &values[0], &values[1]),
        _ if null => return Ok(Value::Null),
        _ => {}
    }
    let whole = |place: usize| integer(&values[place]);
    let double = |place: usize| values[place].number().ok_or("a number was expected");
    Ok(match function {
        F::Not => Value::Bool(!truth(&values[0])?.unwrap_or(false)),
        F::Less | F::AtMost | F::Equal | F::Differs | F::Above | F::AtLeast => {
            Value::Bool(compare(function, &values[0], &values[1])?)
        }
        F::BitOr => Value::Int(whole(0)? | whole(1)?),
        F::BitXor => Value::Int(whole(0)? ^ whole(1)?),
        F::BitAnd => Value::Int(whole(0)? & whole(1)?),
        F::BitNot => Value::Int(!whole(0)?),
        F::ShiftLeft => Value::Int(whole(0)?.wrapping_shl(whole(1)? as u32)),
        F::ShiftRight => Value::Int(whole(0)?.wrapping_shr(whole(1)? as u32)),
        F::Add | F::Subtract | F::Multiply | F::Divide => arithmetic(function, &values[0], &values[1])?,
        F::Modulo => match (whole(0)?, whole(1)?) {
            (_, 0) => return Err("division by zero"),
            (a, b) => Value::Int(a.wrapping_rem(b)),
        },
        F::Negate => match &values[0] {
            Value::Float(x) => Value::Float(-x),
            other => Value::Int(integer(other)?.checked_neg().ok_or(OUT_OF_RANGE)?),
        },
        F::Abs => match &values[0] {
            Value::Float(x) => Value::Float(x.abs()),
            other => Value::Int(integer(other)?.checked_abs().ok_or(OUT_OF_RANGE)?),
        },
        F::Debug => values[0].clone(),
        F::Double => Value::Float(double(0)?),
        F::Int => Value::Int(integer(&values[0])?),
        F::Exp => Value::Float(libm::exp(double(0)?)),
        F::Ln => Value::Float(libm::log(double(0)?)),
        F::Sqrt => Value::Float(libm::sqrt(double(0)?)),
        F::Power => Value::Float(libm::pow(double(0)?, double(1)?)),
        F::Pi => Value::Float(std::f64::consts::PI),
        F::Least | F::Greatest => match values {
            [one] => one.clone(),
            [a, b, rest @ ..] => {
                let first = if compare(F::Less, a, b)? == (function == F::Least) { a } else { b };
                match rest {
                    [c] => call(function, &[first.clone(), c.clone()], key, n)?,
                    _ => first.clone(),
                }
            }
            [] => return Err("an argument is missing"),
        },
        F::Fnv1a => Value::Int(fnv1a(whole(0)? as u64, seed(values)?)),
        F::Murmur2 => Value::Int(murmur2(whole(0)? as u64, seed(values)?)),
        F::Permute => {
            let (value, size) = (whole(0)?, whole(1)?);
            if size < 1 {
                return Err("the size of a permutation must be above 0");
            }
            let seed = values.get(2).map(integer).transpose()?.unwrap_or_default();
            let order = Permutation::new(Key::new(seed as u64), size as u64);
            Value::Int(order.apply(value.rem_euclid(size) as u64) as i64)
        }
        _ => return random(function, values, key, n),
    })
}

const OUT_OF_RANGE: Unfit = "the number is out of range";

/// `random*(low, high[, parameter])`; both ends included.
fn random(function: Function, values: &[Value<'static>], key: Key, n: u64) -> Result<Value<'static>, Unfit> {
    let (low, high) = (integer(&values[0])?, integer(&values[1])?);
    if high < low {
        return Err("the lower bound of a random number must not be above the upper one");
    }
    let count = high.checked_sub(low).and_then(|d| d.checked_add(1)).ok_or(OUT_OF_RANGE)? as u64;
    let parameter = match values.get(2) {
        Some(value) => value.number().ok_or("a number was expected")?,
        None => 0.0,
    };
    let share = match function {
        Function::Random => return Ok(Value::Int(low + key.below(n, count) as i64)),
        Function::RandomZipfian => {
            if !(1.001..=1000.0).contains(&parameter) {
                return Err("the parameter of random_zipfian must be 1.001 to 1000");
            }
            return Ok(Value::Int(low + Zipf::new(parameter, count).draw(key, n) as i64));
        }
        Function::RandomExponential => {
            if parameter <= 0.0 {
                return Err("the parameter of random_exponential must be above 0");
            }
            let cut = libm::exp(-parameter);
            -libm::log(cut + (1.0 - cut) * (1.0 - key.unit(n))) / parameter
        }
        _ => {
            if parameter < 2.0 {
                return Err("the parameter of random_gaussian must be at least 2");
            }
            gaussian(parameter, key, n)
        }
    };
    Ok(Value::Int(low + ((count as f64 * share) as u64).min(count - 1) as i64))
}

/// A place in [0, 1) by a normal distribution cut at ± `parameter` deviations.
fn gaussian(parameter: f64, key: Key, n: u64) -> f64 {
    let mut attempt = 0;
    loop {
        let (a, b) = (1.0 - key.numbered(attempt).unit(n), key.numbered(attempt + 1).unit(n));
        let deviate = libm::sqrt(-2.0 * libm::log(a)) * libm::sin(std::f64::consts::TAU * b);
        if deviate.abs() < parameter {
            return (deviate + parameter) / (2.0 * parameter);
        }
        attempt += 2;
    }
}

fn integer(value: &Value<'_>) -> Result<i64, Unfit> {
    match value {
        Value::Bool(_) => Err("a number was expected, not a truth value"),
        // pgbench rounds a double, as casting to bigint does.
        other => other.whole().ok_or("a whole number was expected"),
    }
}

fn truth(value: &Value<'_>) -> Result<Option<bool>, Unfit> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(truth) => Ok(Some(*truth)),
        Value::Text(text) if ["t", "true", "on", "yes"].contains(&&**text) => Ok(Some(true)),
        Value::Text(text) if ["f", "false", "off", "no"].contains(&&**text) => Ok(Some(false)),
        other => other.number().map(|x| Some(x != 0.0)).ok_or("a truth value was expected"),
    }
}

/// `AND` and `OR` of three-valued logic.
fn connective(function: Function, left: &Value<'_>, right: &Value<'_>) -> Result<Value<'static>, Unfit> {
    let decides = function == Function::Or;
    let (left, right) = (truth(left)?, truth(right)?);
    Ok(if left == Some(decides) || right == Some(decides) {
        Value::Bool(decides)
    } else if left.is_none() || right.is_none() {
        Value::Null
    } else {
        Value::Bool(!decides)
    })
}

fn compare(function: Function, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Unfit> {
    use Function as F;
    let order = match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        _ => {
            let (a, b) = (left.number(), right.number());
            let (a, b) = a.zip(b).ok_or("these cannot be compared")?;
            a.partial_cmp(&b).ok_or("these cannot be compared")?
        }
    };
    Ok(match function {
        F::Less => order.is_lt(),
        F::AtMost => order.is_le(),
        F::Equal => order.is_eq(),
        F::Differs => order.is_ne(),
        F::Above => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn arithmetic(function: Function, left: &Value<'_>, right: &Value<'_>) -> Result<Value<'static>, Unfit> {
    use Function as F;
    if let (Value::Float(_), _) | (_, Value::Float(_)) = (left, right) {
        let (a, b) = left.number().zip(right.number()).ok_or("a number was expected")?;
        return Ok(Value::Float(match function {
            F::Add => a + b,
            F::Subtract => a - b,
            F::Multiply => a * b,
            _ if b == 0.0 => return Err("division by zero"),
            _ => a / b,
        }));
    }
    let (a, b) = (integer(left)?, integer(right)?);
    let result = match function {
        F::Add => a.checked_add(b),
        F::Subtract => a.checked_sub(b),
        F::Multiply => a.checked_mul(b),
        _ if b == 0 => return Err("division by zero"),
        _ => a.checked_div(b),
    };
    result.map(Value::Int).ok_or(OUT_OF_RANGE)
}

fn seed(values: &[Value<'static>]) -> Result<u64, Unfit> {
    values.get(1).map_or(Ok(0), |value| integer(value).map(|seed| seed as u64))
}

/// FNV-1a of eight bytes, lowest first (`getHashFnv1a` of pgbench).
fn fnv1a(mut value: u64, seed: u64) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for _ in 0..8 {
        hash = (hash ^ (value & 0xff)).wrapping_mul(0x100_0000_01b3);
        value >>= 8;
    }
    hash as i64
}

/// MurmurHash2 of eight bytes (`getHashMurmur2` of pgbench).
fn murmur2(value: u64, seed: u64) -> i64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mut word = value.wrapping_mul(MULTIPLIER);
    word = (word ^ (word >> 47)).wrapping_mul(MULTIPLIER);
    let mut hash = ((seed ^ MULTIPLIER.wrapping_mul(8)) ^ word).wrapping_mul(MULTIPLIER);
    hash = (hash ^ (hash >> 47)).wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 47)) as i64
}
