//! The queue over a store in memory, and a mail server on a socket of its own that answers as it is told.

use std::net::SocketAddr;
use std::sync::Mutex;

use jiff::SignedDuration;
use mdm_core::batch::Mode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{Mail, MailLanguage, MailTls};
use crate::testing::World;
use crate::use_cases::licenses;

/// What a mail server has taken, and what it says to recipients.
#[derive(Default)]
struct Office {
    /// Answers to `RCPT TO` by address; 250 to all others.
    answers: Mutex<BTreeMap<String, &'static str>>,
    taken: Mutex<Vec<String>>,
}

impl Office {
    async fn open() -> (Arc<Self>, SocketAddr) {
        let office = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = office.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let office = serving.clone();
                tokio::spawn(async move { office.talk(stream).await });
            }
        });
        (office, address)
    }

    async fn talk(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 office\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            let answer = match line.trim_end() {
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.unwrap();
                    let mut text = String::new();
                    while !text.ends_with("\r\n.\r\n") {
                        assert_ne!(stream.read_line(&mut text).await.unwrap(), 0);
                    }
                    self.taken.lock().unwrap().push(text);
                    "250 taken"
                }
                asked => match asked.strip_prefix("RCPT TO:<").and_then(|rest| rest.strip_suffix('>')) {
                    Some(to) => self.answers.lock().unwrap().get(to).copied().unwrap_or("250 yes"),
                    None => "250 yes",
                },
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            line.clear();
        }
    }

    fn says(&self, to: &str, answer: &'static str) {
        self.answers.lock().unwrap().insert(to.to_owned(), answer);
    }

    fn took(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

const ALL: &str = "職員番号,氏名,所属,メールアドレス,利用\n001,山田太郎,総務課,taro@example.lg.jp,○\n\
                   002,髙橋花子,税務課,hanako@example.lg.jp,○\n003,佐藤一,税務課,,○\n";

fn at(address: SocketAddr) -> Mail {
    Mail {
        host: address.ip().to_string(),
        port: address.port(),
        tls: MailTls::None,
        from: "情報政策課 <helpdesk@example.lg.jp>".to_owned(),
        user: None,
        password_file: None,
        ca_file: None,
        per_minute: 60,
        language: MailLanguage::Ja,
    }
}

async fn world(address: SocketAddr) -> (World, BatchId, Post) {
    let mut world = World::new();
    Arc::get_mut(&mut world.service).unwrap().config.mail = Some(at(address));
    licenses::set_pool(&world.service, 3, Actor::Server).await.unwrap();
    let batch = world.apply(ALL, Mode::Roster).await;
    (world, batch, Post::new(Mailer::open(&at(address)).unwrap()))
}

async fn send_all(world: &World, post: &mut Post) -> usize {
    let mut tried = 0;
    while post.send_next(&world.service).await.unwrap() {
        tried += 1;
    }
    tried
}

async fn standings(world: &World, batch: BatchId) -> Vec<Standing> {
    results(&world.service, batch).await.unwrap().into_iter().map(|(_, standing)| standing).collect()
}

async fn noted(world: &World, what: Happening) -> usize {
    world.journal().await.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn everybody_with_an_address_gets_one_mail_however_often_it_is_asked_for() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    let asked = queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!(asked, Queued { queued: 2, already: 0, no_address: 1 });
    let again = queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!(again, Queued { queued: 0, already: 2, no_address: 1 });
    assert_eq!(
        (noted(&world, Happening::CodesExported).await, noted(&world, Happening::CodeHandedOut).await),
        (1, 2)
    );

    assert_eq!(send_all(&world, &mut post).await, 2);
    assert_eq!((office.took(), noted(&world, Happening::CodeMailed).await), (2, 2));
    let sent = Standing::Asked(MailState::Sent { at: world.now() });
    assert_eq!(standings(&world, batch).await, [sent.clone(), sent, Standing::NoAddress]);
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!(send_all(&world, &mut post).await, 0, "nobody gets a second");
}

#[tokio::test]
async fn a_mail_server_that_says_later_is_asked_later_and_one_that_refuses_is_not_asked_again() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    office.says("taro@example.lg.jp", "451 greylisted");
    office.says("hanako@example.lg.jp", "550 no such mailbox");
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!(send_all(&world, &mut post).await, 2);
    let found = standings(&world, batch).await;
    assert!(matches!(found[0], Standing::Asked(MailState::Queued { tries: 1, .. })), "{found:?}");
    assert_eq!(found[1], Standing::Asked(MailState::Failed { at: world.now(), why: Failure::Refused }));

    office.says("taro@example.lg.jp", "250 now");
    office.says("hanako@example.lg.jp", "250 now");
    world.clock.advance(SignedDuration::from_secs(59));
    assert_eq!(send_all(&world, &mut post).await, 0, "not within a minute");
    world.clock.advance(SignedDuration::from_secs(20));
    assert_eq!(send_all(&world, &mut post).await, 1);
    assert_eq!(office.took(), 1);

    let again = queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!((again.queued, again.already), (1, 1), "who failed is tried when somebody asks again");
    assert_eq!((send_all(&world, &mut post).await, office.took()), (1, 2));
}

#[tokio::test]
async fn a_mail_server_that_is_down_loses_nothing_within_a_day() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    // Port 9 of this machine has nobody behind it.
    let mut down = Post::new(Mailer::open(&Mail { port: 9, ..at(address) }).unwrap());
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!((send_all(&world, &mut down).await, office.took()), (2, 0));
    world.clock.advance(SignedDuration::from_mins(2));
    assert_eq!((send_all(&world, &mut post).await, office.took()), (2, 2));
}

#[tokio::test]
async fn a_code_that_was_replaced_after_it_was_asked_for_does_not_leave() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    let only = BTreeSet::from([StaffNumber::new("001").unwrap()]);
    let asked = queue(&world.service, batch, Some(&only), Actor::Server).await.unwrap();
    assert_eq!(asked, Queued { queued: 1, already: 0, no_address: 0 });
    let who = super::super::accounts::Who::parse("001", None).unwrap();
    codes::reissue(&world.service, &who, Actor::Server).await.unwrap();
    assert_eq!((send_all(&world, &mut post).await, office.took()), (1, 0));
    assert_eq!(noted(&world, Happening::CodeNotMailed).await, 1);
    assert_eq!(standings(&world, batch).await[0], Standing::NotAsked, "nobody asked for the new code");
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_queued() {
    let (_office, address) = Office::open().await;
    let (mut world, batch, _) = world(address).await;
    Arc::get_mut(&mut world.service).unwrap().config.mail = None;
    let refused = queue(&world.service, batch, None, Actor::Server).await.unwrap_err();
    assert!(matches!(refused, UseCaseError::Refused(Refusal::NoMail)));
    assert!(world.service.store.queued_mail(1).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_was_called_off_gets_nothing_and_the_others_do() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    let only = BTreeSet::from([StaffNumber::new("001").unwrap()]);
    assert_eq!(cancel(&world.service, batch, Some(&only), Actor::Server).await.unwrap(), 1);
    assert_eq!((send_all(&world, &mut post).await, office.took()), (1, 1));
    assert!(office.taken.lock().unwrap()[0].contains("hanako@example.lg.jp"));
    let found = standings(&world, batch).await;
    assert_eq!(found[0], Standing::Asked(MailState::Cancelled { at: world.now() }));
    assert_eq!(cancel(&world.service, batch, None, Actor::Server).await.unwrap(), 0, "nothing waits");
    assert_eq!(noted(&world, Happening::CodeMailCancelled).await, 1);
    let again = queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!((again.queued, again.already), (1, 1));
}

#[tokio::test]
async fn a_mail_that_was_called_off_while_it_was_on_its_way_is_noted_as_sent_and_holds_nobody_up() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    let first = world.service.store.queued_mail(1).await.unwrap().pop().unwrap().value;
    // As if the mail server had taken it just now, and the note was still to come.
    post.unnoted = Some((first.code, Tried::Sent));
    assert_eq!(cancel(&world.service, batch, None, Actor::Server).await.unwrap(), 2);
    assert!(post.send_next(&world.service).await.unwrap());
    let item = world.service.store.mail(first.code).await.unwrap().unwrap().value;
    assert_eq!(item.state, MailState::Sent { at: world.now() });
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    assert_eq!((send_all(&world, &mut post).await, office.took()), (1, 1), "the queue goes on");
}

#[tokio::test]
async fn nobody_gets_a_mail_by_a_batch_that_was_undone() {
    let (office, address) = Office::open().await;
    let (world, batch, mut post) = world(address).await;
    queue(&world.service, batch, None, Actor::Server).await.unwrap();
    let undo =
        batches::undo::plan_undo(&world.service, batch, &Default::default(), Actor::Server).await.unwrap();
    batches::take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    send_all(&world, &mut post).await;
    assert_eq!(office.took(), 0);
    assert!(world.service.store.queued_mail(1).await.unwrap().is_empty(), "nothing waits");
    assert_eq!(noted(&world, Happening::CodeNotMailed).await, 2);
}
