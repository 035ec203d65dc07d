//! Two fan-outs that are unique together, made a pair. Must leave no two equal rows, and say so where that cannot be.

use std::sync::Arc;

use super::Planner;
use crate::diagnostic::Diagnostic;
use crate::expression::{Key, Permutation, Ranks};
use crate::postgres::catalog;
use crate::seed::fan::{Fan, FanKind};
use crate::seed::growth::Growth;
use crate::seed::pair::{Epoch, Pair, Side};

/// Epochs of a pair: the more of them, the closer a row is to its time; fewer where few rows are to be divided.
const EPOCHS: [u64; 4] = [8, 4, 2, 1];

/// Members there must be for every row of the largest owner: below that even choice leaves no room for skew.
const ROOM: f64 = 1.5;

/// Why two fan-outs cannot be a pair.
enum Problem {
    /// The second parent sums the rows up, so its old rows cannot have more of them.
    Summed,
    /// New rows need new owners.
    NoNewOwners,
    /// The rows the largest owner would have, and the members there are for them.
    TooFew(u64, u64),
}

impl Planner<'_> {
    /// Two fan-outs that must be unique together become a pair: closed form, distinct by construction.
    pub(super) fn pair_up(&mut self, table: usize, found: &catalog::Table, fans: &mut [Fan]) {
        for unique in found.uniques.iter().filter(|u| u.expressions.is_empty()) {
            let [first, second] = unique.columns.as_slice() else { continue };
            let position = |name: &String| fans.iter().position(|fan| fan.columns.iter().any(|(own, _)| own == name));
            let (Some(owner), Some(member)) = (position(first), position(second)) else { continue };
            let is_drawn = |fan: usize| matches!(fans[fan].kind, FanKind::Draw { .. });
            if owner == member || !is_drawn(owner) || !is_drawn(member) {
                continue;
            }
            let differ = fans[owner].other_than == Some(member) || fans[member].other_than == Some(owner);
            match self.pair(table, &fans[owner], &fans[member], differ) {
                Ok(pair) => {
                    let may_miss = |fan: &Fan| 0.0 < fan.null_share || fan.absent.is_some();
                    // What one of them finds it keeps for the other, unless that may have no parent.
                    let place = |of: usize| if may_miss(&fans[of]) { usize::MAX } else { of };
                    let (pair, owner_place, member_place) = (Arc::new(pair), place(owner), place(member));
                    fans[owner].kind = FanKind::Owner(Arc::clone(&pair), member_place);
                    fans[member].kind = FanKind::Member(pair, owner_place);
                }
                Err(problem) => self.problems.push(self.pair_problem(table, owner, first, second, &problem)),
            }
        }
    }

    fn pair(&self, table: usize, owner: &Fan, member: &Fan, differ: bool) -> Result<Pair, Problem> {
        if 0 < member.low {
            return Err(Problem::Summed);
        }
        let first = self.first(table);
        let rows = self.rows[table] - first;
        // New pairs have new owners, so that none stands twice.
        let low = if 0 < first { self.first(owner.parent) } else { 0 };
        if 0 < first && 0 < rows && owner.parents == low {
            return Err(Problem::NoNewOwners);
        }
        let (mut owners, members) = (active(&owner.kind), active(&member.kind));
        if 0 < low {
            let most = member.parents as f64 / 2.0 / rows.max(1) as f64;
            owners = owners.over(owner.parents - low).flattened_to(most);
        }
        // Rows that are added to a dataset are few, and their owners new.
        let growth = self.births(table).filter(|_| first == 0);
        let births = growth.map(|own| (own, self.births(owner.parent), self.births(member.parent)));
        let sides = Sides {
            rows,
            owners: (owners, side(owner, low, owners.count(), first)),
            members: (members, side(member, 0, members.count(), 0)),
            parents: (owner.parents, member.parents),
            births,
            key: owner.key.named("pair").numbered(first),
            differ,
        };
        let most = (libm::ceil(owners.mass_below(1.0) * rows as f64) as u64).max(1);
        let reachable = members.count() - u64::from(differ && members.count() == member.parents);
        let (epochs, strata) = EPOCHS
            .iter()
            .find_map(|count| Some((sides.epochs(*count)?, *count)))
            .ok_or(Problem::TooFew(most, reachable))?;
        let Sides { owners: (_, owners), members: (laws, mut members), key, .. } = sides;
        let held = laws.count() / strata;
        members.orders = (0..strata)
            .map(|stratum| Permutation::new(member.key.named("order").numbered(stratum), held.max(1)))
            .collect();
        Ok(Pair { rows, first, owners, members, epochs, key: key.named("phase"), differ })
    }

    fn pair_problem(&self, table: usize, owner: usize, first: &str, second: &str, problem: &Problem) -> Diagnostic {
        let spec = &self.spec.tables[table];
        let name = &spec.name;
        let cannot = |why: String| Diagnostic::at(name.span.clone(), format!("`{}` cannot grow: {why}", name.value));
        match problem {
            Problem::Summed => cannot(format!("what `{second}` refers to sums its rows up")),
            Problem::NoNewOwners => cannot(format!(
                "`{first}` and `{second}` are unique together, and no rows come to what `{first}` refers to"
            )),
            Problem::TooFew(rows, members) => {
                let (column, source) = &spec.fan_out[owner];
                let message =
                    format!("a single `{first}` would have {rows} rows, but `{second}` has only {members} values");
                Diagnostic::at(column.span.clone(), message).help(format!(
                    "bound it: {} with max {}",
                    source.source.text,
                    members / 2
                ))
            }
        }
    }
}

/// The law of a drawn fan-out over those parents alone that have any rows.
fn active(kind: &FanKind) -> Ranks {
    let FanKind::Draw { ranks, none, .. } = kind else { unreachable!("only drawn fan-outs become pairs") };
    ranks.among((libm::ceil(ranks.count() as f64 * (1.0 - none)) as u64).max(1))
}

fn side(fan: &Fan, low: u64, active: u64, first: u64) -> Side {
    let parents = fan.parents - low;
    let order = Permutation::new(fan.key.named("order").numbered(first), active.max(1));
    Side {
        low,
        thinned: parents as f64 / active.min(parents).max(1) as f64,
        key: fan.key.named("none"),
        orders: vec![order],
    }
}

/// What the epochs of a pair are made from.
struct Sides {
    rows: u64,
    owners: (Ranks, Side),
    members: (Ranks, Side),
    /// How many there are of either, with those that have no pairs.
    parents: (u64, u64),
    /// How the rows, the owners and the members grow, as far as they do.
    births: Option<(Growth, Option<Growth>, Option<Growth>)>,
    key: Key,
    differ: bool,
}

impl Sides {
    /// This many epochs; nothing when there are not members enough for that.
    fn epochs(&self, count: u64) -> Option<Vec<Epoch>> {
        if 1 < count && self.births.as_ref().is_none_or(|(_, owner, member)| owner.is_none() && member.is_none()) {
            return None;
        }
        (0..count).map(|at| (at..count).find_map(|until| self.epoch(at, until, count))).collect()
    }

    /// One of `count` epochs, with the parents born by the end of epoch `until`.
    fn epoch(&self, at: u64, until: u64, count: u64) -> Option<Epoch> {
        let begins = |epoch: u64| (u128::from(self.rows) * u128::from(epoch) / u128::from(count)) as u64;
        let rows = begins(at + 1) - begins(at);
        let (have, met) = self.born((until + 1) as f64 / count as f64);
        let (owners, members) = (self.owners.0.among(have), self.members.0);
        let met = (met / count).checked_sub(u64::from(self.differ)).filter(|met| 0 < *met && 0 < have)?;
        let whole = self.owners.0.mass_below(1.0);
        let room = met as f64 / ROOM;
        // Whole numbers, so that what an owner has at most in each epoch adds up to no more than in all.
        let most = libm::floor(room).min(libm::floor(whole * rows as f64 + 1e-6));
        let owners = match count {
            1 => owners,
            _ if most < 1.0 || have as f64 * most < 1.05 * rows as f64 => return None,
            _ => owners.flattened_to(most / rows as f64),
        };
        let key = self.key.numbered(at);
        let mut epoch = Epoch {
            begins: begins(at),
            rows,
            owners,
            members: members.over(met),
            order: Permutation::new(key, rows.max(1)),
            // The golden ratio: as far as can be from any that was before.
            phase: libm::fmod(0.5 + at as f64 * 0.618_033_988_749_894_9, 1.0),
        };
        let most = epoch.most_children();
        // The members' own bound holds over all strata.
        let share = (members.mass_below(1.0) * count as f64).min(0.999 / most as f64);
        epoch.members = epoch.members.flattened_to(share);
        let differs = epoch.members.mass_below(1.0) * most as f64 <= 1.0;
        (rows == 0 || (most as f64 * ROOM <= met as f64 + 1.0 && differs)).then_some(epoch)
    }

    /// How many owners and members with pairs are born by a share of the rows.
    fn born(&self, share: f64) -> (u64, u64) {
        let by = |growth: Option<&Growth>, moment: f64, low: u64, parents: u64| match growth {
            Some(growth) => growth.born(moment).clamp(low, parents),
            None => parents,
        };
        let (owners, members) = match &self.births {
            Some((own, owner, member)) => {
                let moment = own.shape.moment(share.min(1.0));
                (
                    by(owner.as_ref(), moment, self.owners.1.low, self.parents.0),
                    by(member.as_ref(), moment, 0, self.parents.1),
                )
            }
            None => self.parents,
        };
        let within = |(law, side): &(Ranks, Side), born: u64| side.among(born).min(law.count());
        if share < 1.0 {
            (within(&self.owners, owners), within(&self.members, members))
        } else {
            (self.owners.0.count(), self.members.0.count())
        }
    }
}
