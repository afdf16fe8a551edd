//! The directory follows whatever happens, finds who is meant, and counts right.

mod codes;
mod follows;
mod lists;

use std::sync::Arc;

use mdm_core::audit::Actor;
use mdm_core::batch::Mode;
use shared::ids::AccountId;

use super::*;
use crate::testing::World;
use crate::use_cases::licenses;

async fn afresh(world: &World) -> Arc<Snapshot> {
    load::catch_up(&world.service, None).await.unwrap().snapshot
}

async fn followed(world: &World) -> Arc<Snapshot> {
    current(&world.service).await.unwrap()
}

async fn id(world: &World, number: &str) -> AccountId {
    world.account(number).await.id
}

/// Seats for so many, and the people of a staff file.
async fn world_of(seats: u32, csv: &str) -> World {
    let world = World::new();
    licenses::set_pool(&world.service, seats, Actor::Server).await.unwrap();
    world.apply(csv, Mode::Roster).await;
    world
}
