//! What a new fiscal year does to the staff: leavers, promotions, moves, changes of name, joiners.

use rand::Rng;
use rand::seq::{SliceRandom as _, index};

use super::people::{Contract, Rank, Staff};

const HEADS: [Rank; 4] = [Rank::DivisionHead, Rank::SectionHead, Rank::DeputyHead, Rank::UnitHead];

/// One in so many, but one at least, of a staff that is not empty.
fn one_in(share: usize, of: usize) -> usize {
    (of / share).max(1).min(of)
}

impl Staff {
    /// 1 April: about one in 20 leaves, one in 5 moves, one in 25 rises, one in 100 changes the family name; as
    /// many join as left.
    pub(super) fn next_year(&mut self, rng: &mut impl Rng) {
        self.leave(rng);
        self.fill_heads(rng);
        self.rise(rng);
        self.relocate(rng);
        self.marry(rng);
        while self.people.len() < self.size {
            let rank = if rng.gen_ratio(1, 8) { Rank::Middle } else { Rank::Junior };
            self.hire(rank, rng);
        }
        self.fill_wishes(rng);
    }

    /// Contracts that end with the year leave three times as often as others.
    fn leave(&mut self, rng: &mut impl Rng) {
        let mut lots = Vec::new();
        for (index, person) in self.people.iter().enumerate() {
            let tickets = if person.contract == Contract::Regular { 1 } else { 3 };
            lots.extend((0..tickets).map(|_| index));
        }
        lots.shuffle(rng);
        let count = one_in(20, self.people.len());
        let mut gone = vec![false; self.people.len()];
        let mut left = 0;
        for index in lots {
            if left < count && !gone[index] {
                gone[index] = true;
                left += 1;
            }
        }
        let mut index = 0;
        self.people.retain(|_| {
            index += 1;
            !gone[index - 1]
        });
    }

    /// 主事 to 主任, 主任 to 主査, at the same desk.
    fn rise(&mut self, rng: &mut impl Rng) {
        let count = one_in(25, self.people.len());
        let can = |rank: Rank| matches!(rank, Rank::Junior | Rank::Middle);
        let mut candidates: Vec<usize> = (0..self.people.len())
            .filter(|i| self.people[*i].contract == Contract::Regular && can(self.people[*i].rank))
            .collect();
        candidates.shuffle(rng);
        for index in candidates.into_iter().take(count) {
            let person = &mut self.people[index];
            person.rank = if person.rank == Rank::Junior { Rank::Middle } else { Rank::Senior };
        }
    }

    /// Heads take each other's posts in a ring; everybody else goes to another unit that has their trade.
    fn relocate(&mut self, rng: &mut impl Rng) {
        let count = one_in(5, self.people.len());
        let movers = index::sample(rng, self.people.len(), count).into_vec();
        for rank in HEADS {
            let ring: Vec<usize> = movers.iter().copied().filter(|i| self.people[*i].rank == rank).collect();
            let posts: Vec<_> = ring.iter().map(|i| self.people[*i].post).collect();
            for (index, post) in ring.iter().zip(posts.iter().cycle().skip(1)) {
                self.people[*index].post = *post;
            }
        }
        for index in movers {
            let (trade, from) = (self.people[index].trade, self.people[index].post);
            if self.people[index].rank.is_head() {
                continue;
            }
            let to = self.chart.units.iter().filter(|unit| **unit != from && unit.trades().contains(&trade));
            if let Some(post) = to.collect::<Vec<_>>().choose(rng) {
                self.people[index].post = **post;
            }
        }
    }

    /// 改姓.
    fn marry(&mut self, rng: &mut impl Rng) {
        let count = one_in(100, self.people.len());
        for index in index::sample(rng, self.people.len(), count) {
            self.rename(index, rng);
        }
    }
}
