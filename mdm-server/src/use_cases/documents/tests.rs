use futures_util::stream;
use mdm_core::audit::Happening;
use mdm_core::batch::Mode;
use mdm_core::document::{Audience, Folder, Level, MediaType};

use super::*;
use crate::testing::World;
use crate::use_cases::accounts::Who;

const STAFF: &str = "職員番号,氏名,所属,利用\n001,髙橋太郎,総務部 総務課,○\n002,﨑山花子,税務課,○\n";

fn label(title: &str, audience: Audience) -> Label {
    Label {
        title: Title::new(title).unwrap(),
        folder: Folder::default(),
        media_type: MediaType::unknown(),
        level: Level::Two,
        audience,
        notice: false,
    }
}

async fn received(world: &World, bytes: &[u8]) -> Received {
    let parts: Vec<Result<Vec<u8>, ()>> = bytes.chunks(1_000).map(|part| Ok(part.to_vec())).collect();
    match receive(&world.service, None, stream::iter(parts)).await {
        Ok(received) => received,
        Err(_) => panic!("nothing is in the way"),
    }
}

async fn published(world: &World, title: &str, bytes: &[u8]) -> Document {
    let received = received(world, bytes).await;
    let label = label(title, Audience::Organisation);
    publish(&world.service, label, received, Actor::Server).await.unwrap()
}

async fn bytes_of(world: &World, document: &Document) -> Vec<u8> {
    let (_, reader) = open(&world.service, document.id, Actor::Server).await.unwrap();
    let parts: Vec<_> = content_stream(reader).collect().await;
    parts.into_iter().flat_map(Result::unwrap).collect()
}

async fn noted(world: &World) -> Vec<Happening> {
    let journal = world.journal().await;
    let what =
        journal.iter().map(|entry| entry.body().unwrap()).filter(|body| body.subject.document.is_some());
    what.map(|body| body.what).collect()
}

#[tokio::test]
async fn a_document_is_published_replaced_and_taken_back() {
    let world = World::new();
    let large = "避難所".repeat(100_000).into_bytes();
    let first = published(&world, "手引き", &large).await;
    assert_eq!(bytes_of(&world, &first).await, large);
    let audience = Audience::Organisation;
    let again = received(&world, b"new").await;
    let second =
        replace(&world.service, first.id, label("手引き 改訂", audience.clone()), Some(again), Actor::Server)
            .await
            .unwrap();
    assert_eq!((second.version, bytes_of(&world, &second).await), (2, b"new".to_vec()));
    let gone = world.service.contents.open(first.content.id, first.content.size).err();
    assert!(matches!(gone, Some(ContentError::Missing)), "the old contents are removed");
    let third = replace(&world.service, first.id, label("手引き 第3版", audience), None, Actor::Server)
        .await
        .unwrap();
    assert_eq!((third.version, bytes_of(&world, &third).await), (3, b"new".to_vec()));

    unpublish(&world.service, first.id, Actor::Server).await.unwrap();
    assert!(open(&world.service, first.id, Actor::Server).await.is_err());
    assert!(world.service.contents.open(third.content.id, third.content.size).is_err());
    assert!(directory::current(&world.service).await.unwrap().documents().is_empty());
    use Happening::{DocumentOpened, DocumentPublished, DocumentReplaced, DocumentUnpublished};
    assert_eq!(
        noted(&world).await,
        [
            DocumentPublished,
            DocumentOpened,
            DocumentReplaced,
            DocumentOpened,
            DocumentReplaced,
            DocumentOpened,
            DocumentUnpublished
        ]
    );
}

#[tokio::test]
async fn a_sender_who_goes_away_leaves_nothing() {
    let world = World::new();
    let parts = [Ok(vec![0; 300_000]), Err("gone")];
    let refused = receive(&world.service, None, stream::iter(parts)).await;
    assert!(matches!(refused, Err(ReceiveError::Source("gone"))));
    let left = world.service.contents.keep_only(&HashSet::new()).unwrap();
    assert!(left.is_empty());
    published(&world, "control", b"x").await;
}

#[tokio::test]
async fn nothing_is_read_beyond_the_limit() {
    let world = World::new();
    let largest = world.service.contents.limits().largest;
    let taken = std::cell::Cell::new(0_u64);
    let endless = stream::repeat_with(|| {
        taken.set(taken.get() + (1 << 20));
        Ok::<_, ()>(vec![0_u8; 1 << 20])
    });
    let refused = receive(&world.service, None, endless).await;
    let too_large = |refused| {
        matches!(refused, Err(ReceiveError::Refused(UseCaseError::Contents(ContentError::TooLarge { .. }))))
    };
    assert!(too_large(refused));
    assert!(taken.get() <= largest + (2 << 20), "{}", taken.get());
    taken.set(0);
    let endless = stream::repeat_with(|| {
        taken.set(taken.get() + 1);
        Ok::<_, ()>(vec![0_u8; 1 << 20])
    });
    assert!(too_large(receive(&world.service, Some(largest + 1), endless).await));
    assert_eq!(taken.get(), 0);
}

#[tokio::test]
async fn what_is_refused_keeps_no_contents() {
    let world = World::new();
    let contents = received(&world, b"secret").await;
    let id = contents.content().id;
    let mut secret = label("秘", Audience::Organisation);
    secret.level = Level::Three;
    let refused = publish(&world.service, secret, contents, Actor::Server).await;
    assert!(matches!(refused, Err(UseCaseError::Refused(Refusal::LevelNotForPhones))));
    assert!(matches!(world.service.contents.open(id, 6), Err(ContentError::Missing)));

    let contents = received(&world, b"nobody's").await;
    let id = contents.content().id;
    let unknown = DocumentId::make(world.now(), &mut OsRng);
    let label = label("none", Audience::Organisation);
    let refused = replace(&world.service, unknown, label, Some(contents), Actor::Server).await;
    assert!(matches!(refused, Err(UseCaseError::NotFound(Missing::Document(_)))));
    assert!(matches!(world.service.contents.open(id, 8), Err(ContentError::Missing)));
}

#[tokio::test]
async fn a_start_removes_what_a_crash_left_and_keeps_what_is_published() {
    let world = World::new();
    let document = published(&world, "手引き", b"smoke").await;
    let orphan = received(&world, b"orphan").await.keep();
    tidy(&world.service).await.unwrap();
    assert_eq!(bytes_of(&world, &document).await, b"smoke");
    assert!(matches!(world.service.contents.open(orphan.id, 6), Err(ContentError::Missing)));
}

#[tokio::test]
async fn an_audience_is_of_departments_and_people_that_there_are() {
    let world = World::new();
    world.apply(STAFF, Mode::Roster).await;
    let wish = |name: &str| Wish::Departments(vec![DepartmentWish { source: None, name: name.to_owned() }]);
    let above = audience(&world.service, &wish("総務部")).await.unwrap();
    let directory = directory::current(&world.service).await.unwrap();
    let rules = world.service.config.documents.reading_rules();
    let contents = received(&world, b"x").await;
    let document = publish(&world.service, label("部内", above), contents, Actor::Server).await.unwrap();
    assert_eq!(directory.readers(&document, &rules, world.now()), 1);

    let nobody = audience(&world.service, &wish("総務")).await;
    assert!(matches!(nobody, Err(UseCaseError::NotFound(Missing::Department(name))) if name == "総務"));
    let who = vec![Who::parse("002", None).unwrap()];
    let one = audience(&world.service, &Wish::Persons(who)).await.unwrap();
    assert_eq!(one, Audience::Persons(vec![world.account("002").await.id]));
    let who = vec![Who::parse("999", None).unwrap()];
    assert!(audience(&world.service, &Wish::Persons(who)).await.is_err());
}
