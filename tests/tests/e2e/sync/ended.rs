//! What a server has handed to a connection and not sent yet: it does not leave any more once it may not be read.

use anyhow::Result;
use e2e::attacker::{RawDevice, RawStream};
use e2e::world::{Launch, World, wait};
use shared::grant::GrantKey;
use shared::wire::{
    DocumentChunk, DocumentEntry, DocumentRequest, GrantEnd, Kind, ManifestPage, ManifestRequest,
    UnlockFinish,
};

use super::{contents, publish};
use crate::thief::{Holder, holder, runtime};

/// More than a phone takes without reading, so that some of it waits at the server, and less than it makes the server wait.
const SIZE: u32 = 3_000_000;

/// A device that has unlocked and proved its grant, and its grant.
async fn signed_in(world: &World, holder: &Holder) -> Result<(RawDevice, GrantKey)> {
    let thief = holder.stolen();
    let device = RawDevice::connect(world.quic(), Some(&thief.identity()?)).await?;
    let mut begun = thief.begin_online(&device).await?;
    let granted = begun.stream.ask(&UnlockFinish { ke3: begun.ke3 }).await?;
    anyhow::ensure!(granted.kind() == Some(Kind::UnlockGranted), "{granted:?}");
    device.prove_grant(&begun.grant_key, holder.enrolment()?).await?;
    Ok((device, begun.grant_key))
}

/// Asks for a document and hears its first bytes.
async fn begin(device: &RawDevice) -> Result<(DocumentEntry, RawStream)> {
    let page: ManifestPage = device.ask(&ManifestRequest { have: None }).await?.message()?;
    let entry = page.entries[0].clone();
    let mut stream = device.stream().await?;
    stream.send(&DocumentRequest { id: entry.id, version: entry.version, offset: 0 }).await?;
    stream.finish();
    stream.answer().await.message::<DocumentChunk>()?;
    Ok((entry, stream))
}

/// Bytes that still come.
async fn rest(stream: &mut RawStream) -> usize {
    let mut length = 0;
    while let Ok(chunk) = stream.answer().await.message::<DocumentChunk>() {
        length += chunk.bytes.len();
    }
    length
}

#[test]
fn what_waits_to_be_sent_does_not_leave_after_the_grant_or_the_document_has_ended() {
    let mut world = World::prepared().unwrap();
    world.start_with(&Launch::logging("info,mdm_server::quic=debug")).unwrap();
    let holder = holder(&world, "ended").unwrap();
    let id = publish(&world, "plan.pdf", &contents(9, SIZE), &["--organisation", "--level", "2"]).unwrap();
    let ended = |count: usize| {
        let log = world.log();
        (log.matches("contents were sent").count() == count).then_some(())
    };
    let runtime = runtime().unwrap();
    let (device, key) = runtime.block_on(signed_in(&world, &holder)).unwrap();

    // The control: who reads late reads all of it, as long as it may be read.
    let (_, mut stream) = runtime.block_on(begin(&device)).unwrap();
    assert_eq!(runtime.block_on(rest(&mut stream)), SIZE as usize - 15 * 1024);
    wait::until("the first answer has ended", || ended(1)).unwrap();

    let (_, mut stream) = runtime.block_on(begin(&device)).unwrap();
    let tag = device.grant_tag(&key, holder.enrolment().unwrap()).unwrap();
    let told = runtime.block_on(device.ask(&GrantEnd { tag })).unwrap();
    assert_eq!(told.kind(), Some(Kind::GrantEnded));
    wait::until("the second has ended", || ended(2)).unwrap();
    assert_eq!(runtime.block_on(rest(&mut stream)), 0, "the grant had ended");

    let (device, _) = runtime.block_on(signed_in(&world, &holder)).unwrap();
    let (_, mut stream) = runtime.block_on(begin(&device)).unwrap();
    world.mdmctl(&["documents", "unpublish", &id.to_string()]).unwrap();
    wait::until("the third has ended", || ended(3)).unwrap();
    assert_eq!(runtime.block_on(rest(&mut stream)), 0, "it was unpublished");
}
