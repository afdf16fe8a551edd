use std::sync::Arc;

use axum::http::StatusCode;
use jiff::SignedDuration;
use mdm_core::audit::{Actor, Happening};
use mdm_core::mail::{self as rules, Failure as Why, MailState, Obstacle, Tried};
use mdm_core::operator::Role;
use rand::rngs::OsRng;
use shared::ids::BatchId;

use crate::config::{Mail, MailLanguage, MailTls};
use crate::console::Console;
use crate::console::browser::Browser;
use crate::testing::World;
use crate::use_cases::licenses;

const STAFF: &str = "職員番号,氏名,所属,メールアドレス,利用\n001,山田太郎,総務課,taro@example.lg.jp,○\n\
                     002,髙橋花子,税務課,hanako@example.lg.jp,○\n003,佐藤一,税務課,,○\n";

struct Bench {
    world: World,
    console: Console,
    browser: Browser,
    batch: BatchId,
}

impl Bench {
    /// Three people in force, two of whom have an address. The mail server is never reached here.
    async fn new() -> Self {
        let mut world = World::new();
        Arc::get_mut(&mut world.service).unwrap().config.mail = Some(Mail {
            host: "localhost".to_owned(),
            port: 9,
            tls: MailTls::None,
            from: "helpdesk@example.lg.jp".to_owned(),
            user: None,
            password_file: None,
            ca_file: None,
            per_minute: 60,
            language: MailLanguage::Ja,
        });
        licenses::set_pool(&world.service, 3, Actor::Server).await.unwrap();
        let batch = world.apply(STAFF, mdm_core::batch::Mode::Roster).await;
        let console = Console::new(world.service.clone());
        let browser = Browser::signed_in(&world, &console, Role::Operator).await;
        Self { world, console, browser, batch }
    }

    fn path(&self) -> String {
        format!("/batches/{}/mail", self.batch)
    }

    async fn waiting(&self) -> usize {
        self.world.service.store.queued_mail(10).await.unwrap().len()
    }

    async fn page(&self, query: &str) -> String {
        let answer = self.browser.get(&format!("{}{query}", self.path())).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.location);
        answer.text()
    }

    /// What a mail server would have said to who is first in the queue.
    async fn first_ends(&self, how: Tried) {
        let first = self.world.service.store.queued_mail(1).await.unwrap().pop().unwrap();
        let changes = rules::tried(first, how, self.world.now(), &mut OsRng).unwrap();
        self.world.service.commit(changes).await.unwrap();
    }
}

/// The row of somebody, and nothing else of the page.
fn row<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    page.split("<tr>").find(|row| row.contains(name))
}

#[tokio::test]
async fn who_may_not_see_codes_neither_sees_nor_sends_mail() {
    let bench = Bench::new().await;
    for role in [Role::Helpdesk, Role::Auditor] {
        let other = Browser::signed_in(&bench.world, &bench.console, role).await;
        assert_eq!(other.get(&bench.path()).await.status, StatusCode::FORBIDDEN, "{role:?}");
        assert_eq!(other.post(&bench.path(), &[]).await.status, StatusCode::FORBIDDEN, "{role:?}");
        let batch = other.get(&format!("/batches/{}", bench.batch)).await.text();
        assert!(!batch.contains(&bench.path()), "no way there: {batch}");
    }
    assert_eq!(bench.waiting().await, 0);
    let batch = bench.browser.get(&format!("/batches/{}", bench.batch)).await.text();
    assert!(batch.contains(&bench.path()), "the control: {batch}");
    assert_eq!(bench.browser.post(&bench.path(), &[]).await.status, StatusCode::SEE_OTHER, "the control");
    assert_eq!(bench.waiting().await, 2);
}

#[tokio::test]
async fn mail_asks_for_a_fresh_second_factor() {
    let bench = Bench::new().await;
    bench.world.clock.advance(crate::console::session::FRESH);
    let page = bench.browser.get(&bench.path()).await;
    let back = format!("/confirm?next=%2Fbatches%2F{}%2Fmail", bench.batch);
    assert_eq!((page.status, page.location), (StatusCode::SEE_OTHER, back));
    let sent = bench.browser.post(&bench.path(), &[]).await;
    assert!(sent.location.starts_with("/confirm"), "{}", sent.location);
    assert_eq!(bench.waiting().await, 0, "nothing was asked for");
}

#[tokio::test]
async fn the_page_says_where_each_mail_stands_and_what_failed_is_sent_again() {
    let bench = Bench::new().await;
    let before = bench.page("").await;
    assert!(
        before.contains("2通を送る") && row(&before, "佐藤一").unwrap().contains("メールアドレスなし"),
        "{before}"
    );
    assert_eq!(bench.browser.post(&bench.path(), &[]).await.location, bench.path());
    let asked = bench.page("").await;
    assert!(asked.contains("2通を送信待ちにしました") && !asked.contains("通を送る"), "{asked}");

    bench.first_ends(Tried::Failed(Why::Refused)).await;
    bench.first_ends(Tried::Later(Obstacle::SignIn)).await;
    let page = bench.page("").await;
    let states = ["山田太郎", "髙橋花子"].map(|name| row(&page, name).unwrap());
    assert!(states.iter().any(|state| state.contains("メールサーバーが拒否")), "{page}");
    assert!(states.iter().any(|state| state.contains("メールサーバーにサインインできません")), "{page}");

    let failed = bench.page("?only=failed").await;
    let shown = ["山田太郎", "髙橋花子", "佐藤一"].map(|name| row(&failed, name));
    assert_eq!(shown.iter().flatten().count(), 1, "{failed}");
    assert!(shown.iter().flatten().all(|state| state.contains("メールサーバーが拒否")), "{failed}");

    assert!(page.contains("1通を送る"), "{page}");
    bench.browser.post(&bench.path(), &[]).await;
    let again = bench.page("?only=failed").await;
    assert!(again.contains("該当する人はいません") && again.contains("1通を送信待ちにしました"), "{again}");
    let waiting = bench.world.service.store.queued_mail(10).await.unwrap();
    let tries: Vec<u32> = waiting
        .iter()
        .map(|item| match item.value.state {
            MailState::Queued { tries, .. } => tries,
            _ => panic!("{item:?}"),
        })
        .collect();
    assert_eq!(tries, [0, 1], "one begins anew, the other goes on");
}

#[tokio::test]
async fn what_waits_is_called_off_and_can_be_asked_for_again() {
    let bench = Bench::new().await;
    let cancel = format!("{}/cancel", bench.path());
    bench.browser.post(&bench.path(), &[]).await;
    bench.first_ends(Tried::Sent).await;
    let helpdesk = Browser::signed_in(&bench.world, &bench.console, Role::Helpdesk).await;
    assert_eq!(helpdesk.post(&cancel, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.waiting().await, 1);

    assert!(bench.page("").await.contains(&format!("action=\"{cancel}\"")));
    assert_eq!(bench.browser.post(&cancel, &[]).await.location, bench.path());
    let page = bench.page("").await;
    assert!(page.contains("1通の送信を取りやめました") && page.contains("1通を送る"), "{page}");
    assert!(!page.contains(&cancel), "nothing waits any more: {page}");
    assert_eq!(bench.waiting().await, 0);
    let journal = bench.world.journal().await;
    let noted = journal.iter().filter(|entry| entry.body().unwrap().what == Happening::CodeMailCancelled);
    assert_eq!(noted.count(), 1);

    bench.browser.post(&bench.path(), &[]).await;
    assert_eq!(bench.waiting().await, 1, "only what was called off, not what was sent");
}

#[tokio::test]
async fn a_batch_that_is_not_in_force_sends_nothing() {
    let bench = Bench::new().await;
    // The same people, who have codes already, move.
    let next = STAFF.replace("総務課", "防災課");
    let fields = [("source", "知事部局"), ("mode", "roster"), ("encoding", "")];
    let planned =
        bench.browser.post_file("/batches/new", &fields, "四月.csv", next.as_bytes()).await.location;
    let path = format!("{planned}/mail");
    let refused = bench.browser.post(&path, &[]).await;
    assert!(refused.text().contains("まだ適用されていない"), "{} {}", refused.status, refused.text());
    assert_eq!(bench.waiting().await, 0);
    let page = bench.browser.get(&planned).await.text();
    assert!(!page.contains(&path), "nor is it offered: {page}");

    bench.world.clock.advance(SignedDuration::from_mins(1));
    bench.browser.post(&format!("{planned}/apply"), &[("count", "")]).await;
    assert_eq!(bench.browser.post(&path, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(bench.waiting().await, 2, "once it is in force it does");
    let journal = bench.world.journal().await;
    let exports =
        journal.iter().filter(|entry| entry.body().unwrap().what == Happening::CodesExported).count();
    assert_eq!(exports, 1);
}
