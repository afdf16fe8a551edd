//! Documents: published from a terminal, read by a device that has proved its session grant, and by no other.

use anyhow::{Context as _, Result};
use e2e::attacker::RawDevice;
use e2e::world::World;
use shared::crypto::Secret;
use shared::crypto::hazmat::sha256;
use shared::grant::GrantKey;
use shared::ids::DocumentId;
use shared::wire::{
    DocumentChunk, DocumentEntry, DocumentRequest, Kind, ManifestPage, ManifestRequest, RefusalReason,
    UnlockFinish,
};
use vault::{Home, Slot, SlotKind, files};

use crate::thief::{Holder, PIN, holder, runtime};

/// 300,000 bytes that repeat nowhere near a chunk's length.
fn manual() -> Vec<u8> {
    (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn publish(world: &World, name: &str, bytes: &[u8], more: &[&str]) -> Result<DocumentId> {
    let file = world.file(name, bytes)?;
    let file = file.to_str().context("a path in UTF-8")?;
    let published = world.mdmctl(&[&["documents", "publish", file, "--level", "2"], more].concat())?;
    Ok(published["id"].as_str().context("an id")?.parse()?)
}

/// Unlocks as the phone would, and keeps what proves the grant.
pub(crate) async fn sign_in(device: &RawDevice, holder: &Holder) -> Result<GrantKey> {
    let home = Home::new(holder.phone.home());
    let secret = files::read(&home.device_secret(), 64)?.context("a device secret")?;
    let secret = Secret::from_slice(&secret).context("32 bytes")?;
    let slot = Slot::load(&home, SlotKind::Online)?.context("an online slot")?;
    let enrolment = holder.enrolment()?;
    let mut challenged = device.challenge(PIN, &secret, enrolment, slot.header().stretching).await?;
    let answer = challenged.stream.ask(&UnlockFinish { ke3: challenged.ke3 }).await?;
    anyhow::ensure!(answer.kind() == Some(Kind::UnlockGranted), "{answer:?}");
    Ok(challenged.grant_key)
}

/// Bytes from an offset on; with `chunks`, no more of those.
async fn fetch(
    device: &RawDevice,
    entry: &DocumentEntry,
    offset: usize,
    chunks: Option<usize>,
) -> Result<Vec<u8>> {
    let mut stream = device.stream().await?;
    let (mut bytes, size) = (Vec::new(), usize::try_from(entry.size)?);
    stream.send(&DocumentRequest { id: entry.id, version: entry.version, offset: offset as u64 }).await?;
    let mut count = 0;
    while offset + bytes.len() < size && chunks.is_none_or(|most| count < most) {
        let chunk: DocumentChunk = stream.answer().await.message()?;
        anyhow::ensure!(chunk.offset == (offset + bytes.len()) as u64, "a chunk is missing");
        bytes.extend(chunk.bytes);
        count += 1;
    }
    Ok(bytes)
}

#[test]
fn a_proven_session_reads_what_is_meant_for_it_and_goes_on_where_it_was_cut() {
    let world = World::new().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    world.hire("知事部局", 1).unwrap();
    let bytes = manual();
    let theirs = ["--department", "玉手部", "--source", "委員会", "--title", "手引き", "--folder", "防災"];
    let id = publish(&world, "manual.pdf", &bytes, &theirs).unwrap();
    let other = ["--person", "000001", "--source", "知事部局"];
    let others = publish(&world, "other.pdf", b"for somebody else", &other).unwrap();

    let runtime = runtime().unwrap();
    let ask = ManifestRequest { have: None };
    let connect =
        || async { RawDevice::connect(world.quic(), Some(&holder.identity().unwrap())).await.unwrap() };
    let (device, entry, version) = runtime.block_on(async {
        let device = connect().await;
        assert_eq!(
            device.ask(&ask).await.unwrap().refusal(),
            Some(RefusalReason::NoGrant),
            "a certificate alone"
        );
        let key = sign_in(&device, &holder).await.unwrap();
        assert_eq!(
            device.ask(&ask).await.unwrap().refusal(),
            Some(RefusalReason::NoGrant),
            "not proved here"
        );
        let prove = async |device: &RawDevice| {
            let proved = device.prove_grant(&key, holder.enrolment().unwrap()).await.unwrap();
            assert_eq!(proved.kind(), Some(Kind::GrantAccepted), "{proved:?}");
        };
        prove(&device).await;
        let page: ManifestPage = device.ask(&ask).await.unwrap().message().unwrap();
        assert_eq!((page.first, page.total, page.entries.len()), (0, 1, 1), "the other's is not among them");
        let entry = page.entries[0].clone();
        assert_eq!((entry.id, entry.title.as_str(), entry.folder.as_str()), (id, "手引き", "防災"));
        let same = ManifestRequest { have: Some(page.version) };
        assert_eq!(device.ask(&same).await.unwrap().kind(), Some(Kind::ManifestUnchanged));

        let mut got = fetch(&device, &entry, 0, Some(5)).await.unwrap();
        assert!(!got.is_empty() && got.len() < bytes.len());
        drop(device);
        let device = connect().await;
        let request = DocumentRequest { id, version: 1, offset: 0 };
        let unproven = device.ask(&request).await.unwrap().refusal();
        assert_eq!(unproven, Some(RefusalReason::NoGrant), "each connection proves it");
        prove(&device).await;
        got.extend(fetch(&device, &entry, got.len(), None).await.unwrap());
        assert_eq!(sha256(&[&got]), entry.hash);
        assert!(got == bytes);

        for (id, version, offset) in [(others, 1, 0), (id, 2, 0), (id, 1, entry.size + 1)] {
            let gone = device.ask(&DocumentRequest { id, version, offset }).await.unwrap();
            assert_eq!(gone.kind(), Some(Kind::DocumentGone), "{id} {version} {offset}");
        }
        (device, entry, page.version)
    });

    let replaced = id.to_string();
    let again = [&theirs[..], &["--replace", &replaced]].concat();
    publish(&world, "manual.pdf", b"second edition", &again).unwrap();
    runtime.block_on(async {
        let page: ManifestPage = device.ask(&ask).await.unwrap().message().unwrap();
        assert_ne!(page.version, version);
        let second = &page.entries[0];
        assert_eq!((second.id, second.version), (id, 2));
        assert_eq!(fetch(&device, second, 0, None).await.unwrap(), b"second edition");
        let request = DocumentRequest { id, version: entry.version, offset: 0 };
        assert_eq!(device.ask(&request).await.unwrap().kind(), Some(Kind::DocumentGone));
    });

    world.mdmctl(&["documents", "unpublish", &id.to_string()]).unwrap();
    let listed = world.mdmctl(&["documents", "list"]).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    runtime.block_on(async {
        let page: ManifestPage = device.ask(&ask).await.unwrap().message().unwrap();
        assert_eq!((page.total, page.entries.len()), (0, 0));
    });
    holder.order(&world, "block").unwrap();
    runtime.block_on(async {
        assert_eq!(device.ask(&ask).await.unwrap().refusal(), Some(RefusalReason::Blocked));
    });
}

#[test]
fn contents_on_the_servers_disk_are_sealed_and_survive_its_restart() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let bytes = manual();
    publish(&world, "manual.pdf", &bytes, &["--organisation"]).unwrap();
    let marker = &bytes[1_000..1_064];
    assert!(e2e::world::files::containing(&world.data(), marker).unwrap().is_empty());
    // The controls: the search finds what lies there in clear, and the sealed contents do lie there.
    let planted = world.data().join("planted");
    std::fs::write(&planted, &bytes).unwrap();
    assert_eq!(e2e::world::files::containing(&world.data(), marker).unwrap(), [planted.as_path()]);
    std::fs::remove_file(&planted).unwrap();
    let files = e2e::world::files::files(&world.data()).unwrap();
    let sealed = files.iter().filter(|path| std::fs::metadata(path).unwrap().len() >= bytes.len() as u64);
    let under_documents =
        sealed.filter(|path| path.strip_prefix(world.data()).unwrap().starts_with("documents")).count();
    assert_eq!(under_documents, 1, "{files:?}");
    world.restart().unwrap();
    runtime().unwrap().block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&holder.identity().unwrap())).await.unwrap();
        let key = sign_in(&device, &holder).await.unwrap();
        device.prove_grant(&key, holder.enrolment().unwrap()).await.unwrap();
        let page: ManifestPage =
            device.ask(&ManifestRequest { have: None }).await.unwrap().message().unwrap();
        assert!(fetch(&device, &page.entries[0], 0, None).await.unwrap() == bytes);
    });
}
