//! How a load's level changes over time: straight lines one after another. Must stay pure arithmetic.
//!
//! Everything a load can look like (stages, bursts, a wave, a day) becomes such lines once, so that
//! arrivals need one integral and one inverse only. A Poisson process of changing rate is a
//! process of rate 1 on the scale of expected arrivals (Çinlar, *Introduction to Stochastic Processes*, 1975).

/// A level over time: actions a second in an open loop, clients in a closed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    lines: Vec<Line>,
    /// When each line begins, in seconds, and the arrivals expected before it.
    before: Vec<(f64, f64)>,
}

/// A straight line from one level to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// In seconds.
    pub length_s: f64,
    /// Level at its beginning.
    pub from: f64,
    /// Level at its end.
    pub to: f64,
}

/// What multiplies a level again and again.
#[derive(Debug, Clone, PartialEq)]
pub enum Rhythm {
    /// A sine around the level: up and down by this share of it, once in a period.
    Wave {
        /// 0 to 1.
        depth: f64,
        /// In seconds.
        period_s: f64,
    },
    /// This many times the level, at the end of each period.
    Burst {
        /// Above 0.
        factor: f64,
        /// In seconds.
        every_s: f64,
        /// In seconds, shorter than `every_s`.
        length_s: f64,
    },
    /// Factors of equally long parts of a day, over and over, with straight lines between their beginnings.
    Day {
        /// At least one; `[1.0]` changes nothing.
        factors: Vec<f64>,
        /// In seconds.
        length_s: f64,
    },
}

/// Straight lines a period of a sine is drawn with.
const LINES_OF_A_WAVE: f64 = 32.0;

impl Shape {
    /// The same level for this many seconds.
    #[must_use]
    pub fn steady(level: f64, length_s: f64) -> Self {
        Self::new(vec![Line { length_s, from: level, to: level }], &[])
    }

    /// Lines one after another, each level multiplied by every rhythm.
    #[must_use]
    pub fn new(lines: Vec<Line>, rhythms: &[Rhythm]) -> Self {
        let lines = if rhythms.is_empty() { lines } else { multiplied(&lines, rhythms) };
        let lines: Vec<Line> = lines.into_iter().filter(|line| 0.0 < line.length_s).collect();
        let mut before = Vec::with_capacity(lines.len());
        let (mut start, mut arrivals) = (0.0, 0.0);
        for line in &lines {
            before.push((start, arrivals));
            start += line.length_s;
            arrivals += line.area();
        }
        Self { lines, before }
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// In seconds.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        self.lines.iter().map(|line| line.length_s).sum()
    }

    /// The highest level.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.lines.iter().map(|line| line.from.max(line.to)).fold(0.0, f64::max)
    }

    /// The level averaged over time.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.total() / self.length_s().max(f64::MIN_POSITIVE)
    }

    /// The level at a moment; that of the end, after the end.
    #[must_use]
    pub fn level(&self, at_s: f64) -> f64 {
        let index = self.before.partition_point(|(start, _)| *start <= at_s).saturating_sub(1);
        let Some(line) = self.lines.get(index) else { return 0.0 };
        let share = ((at_s - self.before[index].0) / line.length_s).clamp(0.0, 1.0);
        line.from + (line.to - line.from) * share
    }

    /// Arrivals expected by a moment.
    #[must_use]
    pub fn arrivals(&self, by_s: f64) -> f64 {
        let index = self.before.partition_point(|(start, _)| *start <= by_s).saturating_sub(1);
        let (Some(line), Some((start, before))) = (self.lines.get(index), self.before.get(index)) else { return 0.0 };
        let time = (by_s - start).clamp(0.0, line.length_s);
        before + (line.from + (line.to - line.from) * time / line.length_s / 2.0) * time
    }

    /// The moment by which this many arrivals are expected, in seconds; `None` beyond the end.
    #[must_use]
    pub fn time_of(&self, arrivals: f64) -> Option<f64> {
        if self.total() <= arrivals {
            return None;
        }
        let index = self.before.partition_point(|(_, before)| *before <= arrivals).saturating_sub(1);
        let (line, (start, before)) = (self.lines.get(index)?, self.before[index]);
        let wanted = arrivals - before;
        let slope = (line.to - line.from) / line.length_s;
        // from·t + slope·t²/2 = wanted, in the form that does not cancel when the slope is small.
        let root = (line.from * line.from + 2.0 * slope * wanted).max(0.0).sqrt();
        Some(start + (2.0 * wanted / (line.from + root)).min(line.length_s))
    }

    /// The same shape at a share of its level: what one of several threads or machines has to do.
    #[must_use]
    pub fn scaled(&self, share: f64) -> Self {
        let scale = |line: &Line| Line { length_s: line.length_s, from: line.from * share, to: line.to * share };
        Self::new(self.lines.iter().map(scale).collect(), &[])
    }

    /// Arrivals expected over all of it.
    fn total(&self) -> f64 {
        self.before.last().zip(self.lines.last()).map_or(0.0, |((_, before), line)| before + line.area())
    }
}

impl Line {
    fn area(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length_s
    }
}

impl Rhythm {
    /// Its period, in seconds.
    fn period_s(&self) -> f64 {
        match self {
            Self::Wave { period_s, .. } => *period_s,
            Self::Burst { every_s, .. } => *every_s,
            Self::Day { length_s, .. } => *length_s,
        }
    }

    /// Where in a period its line bends, as shares of the period.
    fn bends(&self) -> Vec<f64> {
        match self {
            Self::Wave { .. } => (0..LINES_OF_A_WAVE as u32).map(|n| f64::from(n) / LINES_OF_A_WAVE).collect(),
            Self::Burst { every_s, length_s, .. } => vec![0.0, 1.0 - length_s / every_s],
            Self::Day { factors, .. } => (0..factors.len()).map(|n| n as f64 / factors.len() as f64).collect(),
        }
    }

    /// Its factor just after (or, `before` true, just before) a moment.
    fn factor(&self, at_s: f64, before: bool) -> f64 {
        let nudge = if before { -1e-9 } else { 1e-9 };
        let phase = ((at_s / self.period_s()) + nudge).rem_euclid(1.0);
        match self {
            Self::Wave { depth, .. } => 1.0 + depth * (phase * std::f64::consts::TAU).sin(),
            Self::Burst { factor, every_s, length_s } => {
                if 1.0 - length_s / every_s <= phase {
                    *factor
                } else {
                    1.0
                }
            }
            Self::Day { factors, .. } => {
                let place = phase * factors.len() as f64;
                let (index, rest) = (place as usize, place.fract());
                let next = factors[(index + 1) % factors.len()];
                factors[index % factors.len()] * (1.0 - rest) + next * rest
            }
        }
    }
}

/// Cuts lines wherever a rhythm bends and multiplies the levels there.
fn multiplied(lines: &[Line], rhythms: &[Rhythm]) -> Vec<Line> {
    let mut cut = Vec::new();
    let mut start = 0.0;
    for line in lines {
        let end = start + line.length_s;
        let mut places = vec![start, end];
        for rhythm in rhythms {
            let period = rhythm.period_s();
            let bends = rhythm.bends();
            for turn in (start / period) as u64..=(end / period) as u64 {
                places.extend(bends.iter().map(|bend| (turn as f64 + bend) * period));
            }
        }
        places.retain(|at| (start..=end).contains(at));
        places.sort_by(f64::total_cmp);
        places.dedup_by(|b, a| *b - *a < 1e-6);
        let level = |at: f64| line.from + (line.to - line.from) * (at - start) / line.length_s;
        let factor = |at: f64, before| rhythms.iter().map(|rhythm| rhythm.factor(at, before)).product::<f64>();
        for pair in places.windows(2) {
            let (from, to) = (level(pair[0]) * factor(pair[0], false), level(pair[1]) * factor(pair[1], true));
            cut.push(Line { length_s: pair[1] - pair[0], from, to });
        }
        start = end;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn arrivals_and_their_times_are_inverse_to_each_other() {
        let ramp = Line { length_s: 10.0, from: 0.0, to: 100.0 };
        let shape =
            Shape::new(vec![ramp, Line { from: 100.0, ..ramp }, Line { length_s: 5.0, from: 100.0, to: 0.0 }], &[]);
        close(shape.length_s(), 25.0);
        close(shape.mean() * 25.0, 500.0 + 1_000.0 + 250.0);
        // A ramp from 0 to 100 in 10 s has brought a quarter of its 500 after half of its time.
        close(shape.time_of(125.0).unwrap(), 5.0);
        close(shape.time_of(1_000.0).unwrap(), 15.0);
        close(shape.level(5.0), 50.0);
        close(shape.arrivals(5.0), 125.0);
        close(shape.arrivals(99.0), 1_750.0);
        assert_eq!(shape.time_of(1_750.0), None);
        close(shape.scaled(0.5).time_of(500.0).unwrap(), 15.0);
    }

    #[test]
    fn rhythms_keep_what_they_should_keep() {
        let hour = |rhythm| Shape::new(vec![Line { length_s: 3_600.0, from: 10.0, to: 10.0 }], &[rhythm]);
        let wave = hour(Rhythm::Wave { depth: 0.5, period_s: 60.0 });
        close(wave.mean(), 10.0);
        close(wave.level(15.0), 15.0);
        close(wave.level(45.0), 5.0);
        let burst = hour(Rhythm::Burst { factor: 5.0, every_s: 60.0, length_s: 6.0 });
        close(burst.level(30.0), 10.0);
        close(burst.level(57.0), 50.0);
        close(burst.mean(), 10.0 * (54.0 + 30.0) / 60.0);
        let day = hour(Rhythm::Day { factors: vec![0.0, 2.0], length_s: 60.0 });
        close(day.level(30.0), 20.0);
        close(day.level(15.0), 10.0);
        close(day.mean(), 10.0);
    }
}
