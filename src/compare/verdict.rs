//! The verdict of an action from three measurements: counted work, isolated timing, load. Must be one table, of which
//! docs/method.md is the text; every row has a test.

use serde::Serialize;

use super::Verdict;
use super::measurement::isolated::{Claim, Direction, IsolatedComparison};

/// What single operations cost, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It was not counted.
    Unknown,
    /// Blocks, temporary files and answers are what they were.
    Equal,
    /// All that differs is what no count sees and processor time does: functions, triggers, checks of keys, a plan that
    /// fits any parameters.
    Uncounted,
    /// Less, by the margin.
    Less,
    /// More, by the margin.
    More,
    /// Another answer, or other failures.
    Different,
}

/// A way of timing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// What it proves.
    pub claim: Claim,
    /// Where its corrected interval is, if that excludes zero.
    pub direction: Option<Direction>,
}

/// What three measurements say of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurements {
    /// Counted work.
    pub work: Work,
    /// Processor time in isolation.
    pub cpu: Timing,
    /// The clock in isolation.
    pub wall: Timing,
    /// A class of parameters in isolation that is slower, whatever the action as a whole.
    pub slower_class: bool,
    /// Latency under load.
    pub load: Timing,
}

/// The row of the table that decides, and what it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The row.
    pub row: Row,
    /// Processor time is the same and the time on the clock is not: the change is in waiting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
}

/// The rows of the table, in the order they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// Another answer, or other failures: invalid.
    DifferentAnswer,
    /// One timing proves faster or slower, and the corrected interval of another excludes zero on the opposite side:
    /// inconclusive.
    TimingsContradict,
    /// A timing proves slower, though there is less work: regressed.
    SlowerWithLessWork,
    /// A timing proves slower: regressed.
    Slower,
    /// A class of parameters is proven slower: regressed.
    SlowerClass,
    /// A timing proves faster, though there is more work: inconclusive.
    FasterWithMoreWork,
    /// A timing proves faster: improved.
    Faster,
    /// There is more work, and no timing excludes zero on the opposite side: regressed.
    MoreWork,
    /// There is more work, and a timing excludes zero on the opposite side: inconclusive.
    MoreWorkContradicted,
    /// There is less work, and no timing excludes zero on the opposite side: improved.
    LessWork,
    /// There is less work, and a timing excludes zero on the opposite side: inconclusive.
    LessWorkContradicted,
    /// Equal work, or work that only processor time sees; processor time and clock are proven the same: same.
    Same,
    /// Equal work; the clock is proven the same, and processor time is not seen: same.
    SameWallTimeOnly,
    /// None of these: inconclusive.
    Open,
}

impl Measurements {
    /// Decides: the first row that fits.
    #[must_use]
    pub fn decide(&self) -> Decision {
        let timings = [self.cpu, self.wall, self.load];
        let claims = |claim: Claim| timings.iter().any(|timing| timing.claim == claim);
        let toward = |direction: Direction| timings.iter().any(|timing| timing.direction == Some(direction));
        let (faster, slower) = (claims(Claim::Faster), claims(Claim::Slower));
        let (opposed_gain, opposed_loss) = (toward(Direction::Slower), toward(Direction::Faster));
        let same = |timing: Timing| timing.claim == Claim::Same;
        let row = match self.work {
            Work::Different => Row::DifferentAnswer,
            _ if slower && opposed_loss || faster && opposed_gain => Row::TimingsContradict,
            Work::Less if slower => Row::SlowerWithLessWork,
            _ if slower => Row::Slower,
            _ if self.slower_class => Row::SlowerClass,
            Work::More if faster => Row::FasterWithMoreWork,
            _ if faster => Row::Faster,
            Work::More if opposed_loss => Row::MoreWorkContradicted,
            Work::More => Row::MoreWork,
            Work::Less if opposed_gain => Row::LessWorkContradicted,
            Work::Less => Row::LessWork,
            Work::Equal | Work::Uncounted if same(self.cpu) && same(self.wall) => Row::Same,
            Work::Equal if self.cpu.claim == Claim::Unmeasured && same(self.wall) => Row::SameWallTimeOnly,
            Work::Equal | Work::Uncounted | Work::Unknown => Row::Open,
        };
        let moved = matches!(self.wall.claim, Claim::Faster | Claim::Slower);
        Decision { verdict: row.verdict(), row, waiting: same(self.cpu) && moved }
    }
}

impl Row {
    /// What it decides.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::DifferentAnswer => Verdict::Invalid,
            Self::SlowerWithLessWork | Self::Slower | Self::SlowerClass | Self::MoreWork => Verdict::Regressed,
            Self::Faster | Self::LessWork => Verdict::Improved,
            Self::Same | Self::SameWallTimeOnly => Verdict::Same,
            Self::TimingsContradict
            | Self::FasterWithMoreWork
            | Self::MoreWorkContradicted
            | Self::LessWorkContradicted
            | Self::Open => Verdict::Inconclusive,
        }
    }
}

impl IsolatedComparison {
    /// Its two clocks.
    #[must_use]
    pub fn timings(&self) -> (Timing, Timing) {
        let of = |time: Option<crate::compare::measurement::isolated::TimeComparison>| {
            time.map_or_else(Timing::default, |time| Timing { claim: time.claim, direction: time.direction })
        };
        (of(self.cpu), of(self.wall))
    }

    /// Whether a class of parameters is proven slower.
    #[must_use]
    pub fn slower_class(&self) -> bool {
        self.classes.iter().any(|class| class.claim == Claim::Slower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn timing(claim: Claim, direction: Option<Direction>) -> Timing {
        Timing { claim, direction }
    }

    const UNMEASURED: Timing = timing(Claim::Unmeasured, None);
    const OPEN: Timing = timing(Claim::Open, None);
    const SAME: Timing = timing(Claim::Same, None);
    const FASTER: Timing = timing(Claim::Faster, Some(Direction::Faster));
    const SLOWER: Timing = timing(Claim::Slower, Some(Direction::Slower));
    /// Excludes zero, by less than the margin.
    const A_LITTLE_FASTER: Timing = timing(Claim::Same, Some(Direction::Faster));
    const A_LITTLE_SLOWER: Timing = timing(Claim::Open, Some(Direction::Slower));

    fn decided(work: Work, [cpu, wall, load]: [Timing; 3]) -> (Row, Verdict) {
        let decision = Measurements { work, cpu, wall, load, slower_class: false }.decide();
        (decision.row, decision.verdict)
    }

    #[test]
    fn every_row_of_the_table() {
        use Verdict::{Improved, Inconclusive, Invalid, Regressed, Same};
        for (work, timings, row, verdict) in [
            (Work::Different, [FASTER, FASTER, FASTER], Row::DifferentAnswer, Invalid),
            (Work::Equal, [SLOWER, A_LITTLE_FASTER, SAME], Row::TimingsContradict, Inconclusive),
            (Work::Equal, [FASTER, SAME, A_LITTLE_SLOWER], Row::TimingsContradict, Inconclusive),
            (Work::Less, [FASTER, FASTER, SLOWER], Row::TimingsContradict, Inconclusive),
            (Work::Less, [SLOWER, SLOWER, OPEN], Row::SlowerWithLessWork, Regressed),
            (Work::Equal, [SLOWER, OPEN, UNMEASURED], Row::Slower, Regressed),
            (Work::Equal, [SAME, SAME, SLOWER], Row::Slower, Regressed),
            (Work::More, [SLOWER, SLOWER, SLOWER], Row::Slower, Regressed),
            (Work::More, [FASTER, FASTER, OPEN], Row::FasterWithMoreWork, Inconclusive),
            (Work::More, [UNMEASURED, UNMEASURED, FASTER], Row::FasterWithMoreWork, Inconclusive),
            (Work::Equal, [FASTER, OPEN, OPEN], Row::Faster, Improved),
            (Work::Uncounted, [OPEN, OPEN, FASTER], Row::Faster, Improved),
            (Work::Less, [FASTER, FASTER, UNMEASURED], Row::Faster, Improved),
            (Work::More, [SAME, SAME, OPEN], Row::MoreWork, Regressed),
            (Work::More, [A_LITTLE_FASTER, SAME, OPEN], Row::MoreWorkContradicted, Inconclusive),
            (Work::Less, [OPEN, OPEN, OPEN], Row::LessWork, Improved),
            (Work::Less, [UNMEASURED, UNMEASURED, UNMEASURED], Row::LessWork, Improved),
            (Work::Less, [A_LITTLE_SLOWER, OPEN, OPEN], Row::LessWorkContradicted, Inconclusive),
            (Work::Equal, [SAME, SAME, OPEN], Row::Same, Same),
            (Work::Equal, [SAME, SAME, UNMEASURED], Row::Same, Same),
            (Work::Uncounted, [SAME, SAME, UNMEASURED], Row::Same, Same),
            (Work::Equal, [UNMEASURED, SAME, OPEN], Row::SameWallTimeOnly, Same),
            (Work::Uncounted, [UNMEASURED, SAME, OPEN], Row::Open, Inconclusive),
            (Work::Unknown, [SAME, SAME, SAME], Row::Open, Inconclusive),
            (Work::Equal, [SAME, OPEN, SAME], Row::Open, Inconclusive),
            (Work::Equal, [UNMEASURED, UNMEASURED, SAME], Row::Open, Inconclusive),
        ] {
            assert_eq!(decided(work, timings), (row, verdict), "{work:?} {timings:?}");
        }
    }

    #[test]
    fn a_slower_class_of_parameters_is_a_regression_whatever_the_others_gain() {
        let of =
            |cpu: Timing| Measurements { work: Work::Equal, cpu, wall: SAME, load: OPEN, slower_class: true }.decide();
        assert_eq!((of(SAME).row, of(SAME).verdict), (Row::SlowerClass, Verdict::Regressed));
        assert_eq!(of(FASTER).row, Row::SlowerClass);
        assert_eq!(of(SLOWER).row, Row::Slower);
    }

    #[test]
    fn a_clock_that_moved_with_the_same_processor_time_is_waiting() {
        let of = |cpu: Timing, wall: Timing| {
            Measurements { work: Work::Equal, cpu, wall, load: OPEN, slower_class: false }.decide()
        };
        assert!(of(SAME, SLOWER).waiting && of(SAME, FASTER).waiting);
        assert!(!of(SLOWER, SLOWER).waiting && !of(SAME, SAME).waiting && !of(OPEN, SLOWER).waiting);
    }

    #[test]
    fn no_row_calls_a_gain_where_a_timing_is_slower() {
        let timings = [UNMEASURED, OPEN, SAME, FASTER, SLOWER, A_LITTLE_FASTER, A_LITTLE_SLOWER];
        for work in [Work::Unknown, Work::Equal, Work::Uncounted, Work::Less, Work::More, Work::Different] {
            for cpu in timings {
                for wall in timings {
                    for load in timings {
                        let all = [cpu, wall, load];
                        let (row, verdict) = decided(work, all);
                        let slower = all.iter().any(|timing| timing.direction == Some(Direction::Slower));
                        assert!(!(slower && verdict == Verdict::Improved), "{work:?} {all:?} {row:?}");
                        assert!(!(work == Work::More && verdict == Verdict::Improved), "{all:?} {row:?}");
                    }
                }
            }
        }
    }
}
