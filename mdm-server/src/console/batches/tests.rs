use axum::http::StatusCode;
use encoding_rs::SHIFT_JIS;
use jiff::{SignedDuration, Timestamp};
use mdm_core::account::{Account, AccountState, Attributes, Dated, SourceName, StaffNumber};
use mdm_core::audit::{Actor, Happening};
use mdm_core::batch::{Mode, PlanKind};
use mdm_core::change::{Stored, Version};
use mdm_core::identity::DateKey;
use mdm_core::license::Pool;
use mdm_core::operator::Role;
use mdm_core::plan::{Plan, PlanInput, plan};
use shared::crypto::Secret;
use shared::ids::AccountId;

use crate::console::Console;
use crate::console::browser::{Answer, Browser};
use crate::testing::World;
use crate::use_cases::licenses;

struct Bench {
    world: World,
    console: Console,
    browser: Browser,
}

impl Bench {
    async fn new() -> Self {
        let world = World::new();
        let console = Console::new(world.service.clone());
        let browser = Browser::signed_in(&world, &console, Role::Operator).await;
        licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
        Self { world, console, browser }
    }

    async fn upload(&self, file: &[u8]) -> Answer {
        let fields = [("source", "知事部局"), ("mode", "roster"), ("encoding", "")];
        self.browser.post_file("/batches/new", &fields, "四月.csv", file).await
    }

    /// Uploads a file that can be read, and gives the plan's address.
    async fn plan(&self, file: &str) -> String {
        let answer = self.upload(file.as_bytes()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        answer.location
    }

    async fn apply(&self, plan: &str, count: &str) -> Answer {
        self.browser.post(&format!("{plan}/apply"), &[("count", count)]).await
    }

    async fn applied(&self) -> usize {
        let journal = self.world.journal().await;
        journal.iter().filter(|entry| entry.body().unwrap().what == Happening::BatchApplied).count()
    }
}

const STAFF: &str =
    "職員番号,氏名,所属,利用\n001,髙橋太郎,総務課,○\n002,﨑山花子,税務課,○\n003,濵田次郎,福祉課,○\n";
/// 001 moves, 002 leaves, 004 is new, and a row is rejected.
const NEXT: &str = "職員番号,氏名,所属,利用\n001,髙橋太郎,防災課,○\n003,濵田次郎,福祉課,○\n004,佐藤三郎,総務課,×\n005,=1+1,総務課,×\n";

/// Somebody else looks at a plan and approves it.
async fn approve(second: &Browser, plan: &str, count: &str) -> Answer {
    let form = second.get(&format!("{plan}/approve")).await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.location);
    second.post(&format!("{plan}/approve"), &[("plan", &form.hidden("plan")), ("count", count)]).await
}

#[tokio::test]
async fn leavers_go_only_when_counted_approved_by_another_and_only_once() {
    let bench = Bench::new().await;
    let first = bench.plan(STAFF).await;
    assert_eq!(bench.apply(&first, "").await.status, StatusCode::SEE_OTHER, "nobody leaves: nothing to type");
    assert_eq!(bench.applied().await, 1);

    // One of three leaves: more than the share that goes without.
    let next = bench.plan(NEXT).await;
    let form = bench.browser.get(&format!("{next}/apply")).await.text();
    assert!(form.contains("1人を退職等にします") && form.contains("個人のデータには触れません"), "{form}");
    for wrong in ["", "2", "全員", "1"] {
        let refused = bench.apply(&next, wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
    }
    let second = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await;
    for wrong in ["", "2"] {
        let refused = approve(&second, &next, wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
    }
    assert_eq!(approve(&second, &next, "１").await.status, StatusCode::SEE_OTHER);
    assert_eq!(bench.apply(&next, "2").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.applied().await, 1);
    for _ in 0..2 {
        let done = bench.apply(&next, "１").await;
        assert_eq!(
            (done.status, done.location.as_str()),
            (StatusCode::SEE_OTHER, next.as_str()),
            "{}",
            done.text()
        );
    }
    assert_eq!(bench.applied().await, 2);
}

#[tokio::test]
async fn what_a_batch_did_is_told_also_after_a_restart() {
    let bench = Bench::new().await;
    let plan = bench.plan(STAFF).await;
    let before = bench.browser.get(&plan).await.text();
    assert!(before.contains("1人は割当待ちになります"), "{before}");
    bench.apply(&plan, "").await;
    let outcome = |page: &str| {
        let start = page.find("適用の結果").unwrap_or_else(|| panic!("{page}"));
        page[start..].split("</dl>").next().unwrap().to_owned()
    };
    let remembered = outcome(&bench.browser.get(&plan).await.text());
    assert!(remembered.contains("<dd>2</dd>") && remembered.contains("<dd>1</dd>"), "{remembered}");
    let restarted = Console::new(bench.world.service.clone());
    let again = Browser::signed_in(&bench.world, &restarted, Role::Auditor).await;
    assert_eq!(outcome(&again.get(&plan).await.text()), remembered);
}

#[tokio::test]
async fn lines_are_shown_by_kind_with_what_was_before() {
    let bench = Bench::new().await;
    let first = bench.plan(STAFF).await;
    bench.apply(&first, "").await;
    bench.world.clock.advance(SignedDuration::from_mins(1));
    let plan = bench.plan(NEXT).await;
    let page = async |kind: &str| bench.browser.get(&format!("{plan}?kind={kind}")).await.text();
    let moved = page("move").await;
    assert!(moved.contains("<del>総務課</del>") && moved.contains("<ins>防災課</ins>"), "{moved}");
    assert!(!moved.contains("﨑山花子"));
    assert!(page("leave").await.contains("﨑山花子"));
    assert!(page("unchanged").await.contains("濵田次郎"));
    let rejected = page("rejected").await;
    assert!(rejected.contains("=1+1") && rejected.contains("計算式のように始まっています"));
    // Afterwards the page still says what it was.
    let second = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await;
    approve(&second, &plan, "1").await;
    assert_eq!(bench.apply(&plan, "1").await.status, StatusCode::SEE_OTHER);
    let moved = page("move").await;
    assert!(moved.contains("<del>総務課</del>") && moved.contains("<ins>防災課</ins>"), "{moved}");
}

#[tokio::test]
async fn a_plan_that_another_batch_overtook_is_not_applied() {
    let bench = Bench::new().await;
    let other = bench.plan(STAFF).await;
    let at = [("when", "at"), ("effective_at", "2027-04-02T00:00")];
    assert_eq!(bench.browser.post(&format!("{other}/apply"), &at).await.status, StatusCode::SEE_OTHER);
    assert!(
        bench.browser.get(&other).await.text().contains("2027年4月2日(令和9年)金曜日 0:00に自動で適用します")
    );
    let one = bench.plan(STAFF).await;
    bench.apply(&one, "").await;
    let refused = bench.apply(&other, "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("/batches/new?source=%E7%9F%A5"), "the way to another upload");
    assert!(bench.browser.get(&other).await.text().contains("取り込み直しが必要"));
    assert_eq!(bench.applied().await, 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_comes_back_on_the_form() {
    let bench = Bench::new().await;
    for (file, said) in [
        (&b""[..], "ファイルが空です"),
        ("職員番号,氏名,所属\n001,髙橋,\"総務課\n".as_bytes(), "2行目・3列目: 引用符"),
        ("職員番号,氏名\n001,髙橋\n".as_bytes(), "所属の列がありません"),
        (b"PK\x03\x04", "Excelブックが壊れているか、途中で切れています"),
        (b"\x81\x81,\xFF\xFF\n", "として読み取れません"),
    ] {
        let answer = bench.upload(file).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let page = answer.text();
        assert!(page.contains(said) && page.contains("value=\"知事部局\""), "{said}: {page}");
    }
    let english = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await.in_english();
    let fields = [("source", "A"), ("mode", "upsert")];
    let answer = english.post_file("/batches/new", &fields, "a.csv", b"staff_number,name\n1,A\n").await;
    assert!(answer.text().contains("there is no column for Department"), "{}", answer.text());
    let nothing = english.post_file("/batches/new", &[], "", b"").await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.text().contains("Choose a file."));
}

#[tokio::test]
async fn rejected_rows_leave_as_they_came_with_reasons_in_the_viewers_language() {
    let bench = Bench::new().await;
    let (file, _, failed) =
        SHIFT_JIS.encode("職員番号;氏名;所属\r\n001;髙橋;総務課\r\n001;髙﨑;総務課\r\n002;=cmd;総務課\r\n");
    assert!(!failed);
    let plan = bench.upload(&file).await.location;
    let csv = bench.browser.get(&format!("{plan}/rejected")).await;
    let (text, _, failed) = SHIFT_JIS.decode(&csv.bytes);
    assert!(!failed);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "職員番号;氏名;所属;却下の理由");
    assert!(lines[1].starts_with("001;髙橋;総務課;却下: 「職員番号」: 同じ職員番号の行"), "{text}");
    assert!(lines[3].starts_with("002;'=cmd;総務課;却下: 「氏名」: 計算式"), "{text}");
    // Handed in as everybody's list it would make everybody else leave.
    let refused = bench.upload(&csv.bytes).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("却下の行だけのファイルです"), "{}", refused.text());

    let english = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await.in_english();
    let csv = english.get(&format!("{plan}/rejected")).await;
    let (text, _, _) = SHIFT_JIS.decode(&csv.bytes);
    assert!(text.starts_with("職員番号;氏名;所属;Reason for rejection\r\n"), "{text}");
    assert!(text.contains("002;'=cmd;総務課;Rejected: 氏名: It begins like a formula."), "{text}");
}

#[tokio::test]
async fn an_appointment_that_only_sounds_like_leaving_is_listed_and_nobody_leaves_by_it() {
    let bench = Bench::new().await;
    let first = bench.plan(STAFF).await;
    bench.apply(&first, "").await;
    let list = "職員番号,氏名,所属,発令区分,利用\n001,髙橋太郎,総務課,退職予定,○\n\
        002,﨑山花子,税務課,退職予定,○\n003,濵田次郎,福祉課,退職,○\n";
    let plan = bench.plan(list).await;
    let page = bench.browser.get(&format!("{plan}?kind=leave")).await.text();
    assert!(page.contains("「退職予定」2行(2行目から)"), "{page}");
    assert!(page.contains("濵田次郎") && !page.contains("髙橋太郎") && !page.contains("﨑山花子"), "{page}");
}

#[tokio::test]
async fn who_may_not_manage_sees_that_there_is_a_plan_and_its_lines_only_when_it_is_in_force() {
    let bench = Bench::new().await;
    let plan = bench.plan(NEXT).await;
    let mut others = Vec::new();
    for role in [Role::Helpdesk, Role::Auditor] {
        let browser = Browser::signed_in(&bench.world, &bench.console, role).await;
        let page = browser.get(&plan).await;
        assert_eq!(page.status, StatusCode::OK);
        for secret in ["/apply", "髙橋", "佐藤", "防災課", "=1+1"] {
            assert!(!page.text().contains(secret), "{role:?} sees {secret}");
        }
        assert!(
            page.text().contains("適用前の名簿です")
                && !browser
                    .get("/batches")
                    .await
                    .text()
                    .contains("<td data-label=\"行数\" class=\"number\">4")
        );
        assert_eq!(browser.get(&format!("{plan}/rejected")).await.status, StatusCode::FORBIDDEN);
        assert_eq!(browser.get(&format!("{plan}/approve")).await.status, StatusCode::FORBIDDEN);
        assert_eq!(browser.get("/batches/new").await.status, StatusCode::FORBIDDEN);
        for act in ["apply", "cancel", "acknowledge"] {
            let refused = browser.post(&format!("{plan}/{act}"), &[("reason", "x")]).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{role:?} {act}");
        }
        others.push(browser);
    }
    assert_eq!(bench.applied().await, 0);
    assert_eq!(bench.apply(&plan, "").await.status, StatusCode::SEE_OTHER);
    for browser in others {
        assert!(browser.get(&plan).await.text().contains("防災課"), "control: it is in force");
        // With columns in it that nobody else is shown.
        assert_eq!(browser.get(&format!("{plan}/rejected")).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(bench.browser.get(&format!("{plan}/rejected")).await.status, StatusCode::OK, "control");
}

#[tokio::test]
async fn a_newer_file_is_compared_with_the_one_before_by_who_may_see_both() {
    let bench = Bench::new().await;
    let older = bench.plan(NEXT).await;
    assert!(!bench.browser.get(&older).await.text().contains("/difference"), "control: there is none before");
    let newer = NEXT
        .replace("004,佐藤三郎,総務課", "006,森四郎,税務課")
        .replace("001,髙橋太郎,防災課", "001,髙橋太郎,福祉課");
    let newer = bench.plan(&newer).await;
    let address = format!("{newer}/difference?older={}", older.trim_start_matches("/batches/"));
    for plan in [&older, &newer] {
        let page = bench.browser.get(plan).await.text();
        assert!(page.contains(&format!("href=\"{address}\"")), "{plan}: {page}");
    }
    let owner = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await;
    for (kind, shown, hidden) in [
        ("", &["森四郎", "佐藤三郎", "髙橋太郎"][..], &["濵田次郎"][..]),
        ("new", &["森四郎"], &["佐藤三郎", "髙橋太郎"]),
        ("gone", &["佐藤三郎"], &["森四郎", "髙橋太郎"]),
        ("changed", &["髙橋太郎", "防災課", "福祉課"], &["森四郎", "佐藤三郎"]),
    ] {
        for browser in [&bench.browser, &owner] {
            let page = browser.get(&format!("{address}&kind={kind}")).await.text();
            assert!(shown.iter().all(|name| page.contains(name)), "{kind}: {page}");
            assert!(!hidden.iter().any(|name| page.contains(name)), "{kind}: {page}");
        }
    }
    assert!(
        bench.browser.get(&address).await.text().contains("前回の計画1行、新しい計画1行"),
        "rejected rows"
    );

    // The older plan never takes effect: others do not see it even when the newer one has.
    assert_eq!(bench.apply(&newer, "").await.status, StatusCode::SEE_OTHER);
    for role in [Role::Helpdesk, Role::Auditor] {
        let browser = Browser::signed_in(&bench.world, &bench.console, role).await;
        let page = browser.get(&newer).await.text();
        assert!(page.contains("森四郎") && !page.contains("/difference"), "{role:?}: {page}");
        let refused = browser.get(&address).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{role:?}");
        assert!(!refused.text().contains("佐藤三郎"), "{role:?}");
    }
    assert_eq!(bench.browser.get(&address).await.status, StatusCode::OK, "control");
    for wrong in ["", "?older=", "?older=x"] {
        let answer = bench.browser.get(&format!("{newer}/difference{wrong}")).await;
        assert!(answer.status.is_client_error(), "{wrong}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_deputy_approves_and_an_emergency_is_seen_until_another_owner_takes_note() {
    use crate::use_cases::operators;
    use mdm_core::operator::Deputy;
    let bench = Bench::new().await;
    let first = bench.plan(STAFF).await;
    bench.apply(&first, "").await;
    let plan = bench.plan(NEXT).await;

    let deputy = Browser::signed_in(&bench.world, &bench.console, Role::Helpdesk).await;
    assert_eq!(deputy.get(&format!("{plan}/approve")).await.status, StatusCode::FORBIDDEN);
    let helpdesk = operators::find(&bench.world.service, "Helpdesk").await.unwrap().value.id;
    let now = bench.world.now();
    let time = Deputy { from: now, until: now + SignedDuration::from_hours(24) };
    operators::set_deputy(&bench.world.service, helpdesk, Some(time), Actor::Server).await.unwrap();
    assert!(deputy.get(&plan).await.text().contains("防災課"));
    assert_eq!(approve(&deputy, &plan, "1").await.status, StatusCode::SEE_OTHER);
    assert!(deputy.get(&plan).await.text().contains("承認の代理"));
    assert_eq!(deputy.post(&format!("{plan}/apply"), &[]).await.status, StatusCode::FORBIDDEN);

    let again = bench.plan(NEXT).await;
    let replaced = bench.browser.get(&plan).await.text();
    assert!(replaced.contains("差し替え済") && replaced.contains(&again), "{replaced}");
    let form = bench.browser.get(&format!("{again}/approve")).await;
    let fields = [("plan", &*form.hidden("plan")), ("count", "1"), ("reason", "発令が今夜のため")];
    let without = bench.browser.post(&format!("{again}/approve"), &fields[..2]).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.browser.post(&format!("{again}/approve"), &fields).await.status, StatusCode::SEE_OTHER);
    let owner = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await;
    assert!(owner.get("/").await.text().contains("緊急承認"));
    assert!(owner.get(&again).await.text().contains("発令が今夜のため"));
    assert_eq!(owner.post(&format!("{again}/acknowledge"), &[]).await.status, StatusCode::SEE_OTHER);
    owner.get(&again).await;
    assert!(!owner.get("/").await.text().contains("緊急承認"));
}

/// Every file that is not read or has rows that are not accepted, with what is said of it in both languages.
#[test]
fn what_is_said_of_each_bad_file_is_in_both_languages_and_says_what_to_do() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("core/tests/fixtures");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".txt"))
        .collect();
    names.sort();
    let said: Vec<String> =
        names.iter().map(|name| said_of(name, &std::fs::read(folder.join(name)).unwrap())).collect();
    let said = said.concat();
    let known = std::fs::read_to_string(folder.join("messages.txt")).unwrap_or_default();
    if std::env::var_os("MESSAGES_UPDATE").is_some() {
        std::fs::write(folder.join("messages.txt"), &said).unwrap();
    } else {
        assert_eq!(said, known, "look at the difference, then run with MESSAGES_UPDATE=1");
    }
}

fn said_of(name: &str, bytes: &[u8]) -> String {
    use super::reasons;
    use crate::console::words::Language;
    use mdm_core::sheet::{Declared, Encoding, read};

    // What is wrong with this one is only what the uploader says of it.
    let encoding = (name == "wrong-encoding.csv").then_some(Encoding::Utf8);
    let mut said = format!("{name}\n");
    let sheet = read(bytes, &Declared { encoding, ..Declared::default() });
    match sheet.and_then(|sheet| sheet.fits(Mode::Roster).map(|()| sheet)) {
        Err(error) => Language::ALL.iter().for_each(|language| {
            said += &format!("  {}\n", reasons::file(*language, &error));
        }),
        Ok(sheet) => {
            // The zeros that this one lost are those of somebody who is known.
            let known =
                if name == "eaten-zeros.csv" { vec![known("001001"), known("001002")] } else { Vec::new() };
            let plan = planned(&sheet, &known);
            let in_workbook = super::rejected::is_workbook(&plan.batch);
            for item in &plan.items {
                let PlanKind::Rejected(rejections) = &item.kind else { continue };
                let row = item.row.unwrap();
                for one in rejections {
                    for language in Language::ALL {
                        said += &format!("  {row} {}\n", reasons::in_one(language, one, in_workbook));
                    }
                }
            }
            said += &noted(&plan);
        }
    }
    said + "\n"
}

/// What the plan's page says of a file besides.
fn noted(plan: &Plan) -> String {
    use crate::console::words::Language;
    let batch = &plan.batch;
    let mut said = String::new();
    for language in Language::ALL {
        let count = |key: &str, count: u32| language.say(key, &[("count", count.to_string().into())]);
        for found in &batch.like_leave {
            said +=
                &format!("  {}: {} ({})\n", language.say("batches-like-leave", &[]), found.said, found.rows);
        }
        if batch.private_use_total > 0 {
            said += &format!("  {}\n", count("batches-private-use-count", batch.private_use_total));
        }
        if let Some(zeros) = batch.lost_zeros {
            let key = if zeros.length.is_some() { "batches-zeros-about" } else { "batches-zeros-mend" };
            let length = zeros.length.unwrap_or_default().to_string();
            let values = [("rows", zeros.rows.to_string().into()), ("length", length.into())];
            said += &format!("  {}\n", language.say(key, &values));
        }
        if batch.summary.rejected == 0 && said.is_empty() {
            let format = (batch.encoding.as_str(), batch.summary.rows);
            said += &format!("  {}: {} {}\n", format.0, format.1, language.say("batches-kind-join", &[]));
            return said;
        }
    }
    said
}

/// What a sheet would do where these people are known.
fn planned(sheet: &mdm_core::sheet::Sheet, accounts: &[Stored<Account>]) -> Plan {
    let input = PlanInput {
        source: SourceName::new("知事部局").unwrap(),
        mode: Mode::Roster,
        sheet,
        accounts,
        temporary_until: None,
        decided: &[],
        dates: &DateKey::derive(&Secret::from_bytes([7; 32])),
        roster_version: 0,
        pool: &Pool::default(),
        actor: Actor::Server,
        now: Timestamp::UNIX_EPOCH,
    };
    plan(&input, &mut rand::rngs::OsRng)
}

#[tokio::test]
async fn a_batch_is_undone_for_a_department_through_a_plan() {
    let bench = Bench::new().await;
    let first = bench.plan(STAFF).await;
    bench.apply(&first, "").await;
    bench.world.clock.advance(SignedDuration::from_mins(5));
    let next = bench.plan(NEXT).await;
    let before = bench.browser.get(&next).await.text();
    assert!(!before.contains("/undo"), "what is not applied is not undone");
    let second = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await;
    assert_eq!(approve(&second, &next, "1").await.status, StatusCode::SEE_OTHER);
    bench.apply(&next, "1").await;
    bench.world.clock.advance(SignedDuration::from_mins(5));
    assert!(bench.browser.get(&next).await.text().contains(&format!("{next}/undo")));

    let form = bench.browser.get(&format!("{next}/undo")).await.text();
    assert!(form.contains("税務課（1人）") && form.contains("2027年4月1"), "{form}");
    for unclear in [
        vec![],
        vec![("scope", "department"), ("department", "")],
        vec![("scope", "people"), ("numbers", " 、")],
    ] {
        let refused = bench.browser.post(&format!("{next}/undo"), &unclear).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{unclear:?}");
        assert!(refused.text().contains("取り消す範囲が分かりません"));
    }
    let stranger = [("scope", "people"), ("numbers", "002、 999")];
    let refused = bench.browser.post(&format!("{next}/undo"), &stranger).await;
    assert!(refused.text().contains("「999」がありません"), "{}", refused.text());

    let chosen = [("scope", "department"), ("department", "税務課")];
    let planned = bench.browser.post(&format!("{next}/undo"), &chosen).await;
    assert_eq!(planned.status, StatusCode::SEE_OTHER);
    let undo = planned.location;
    let plan = bench.browser.get(&undo).await.text();
    assert!(plan.contains("取り消しの計画（知事部局）") && plan.contains("利用を再開する人"), "{plan}");
    assert!(plan.contains("﨑山花子") && !plan.contains("髙橋太郎"), "{plan}");
    assert!(plan.contains(&next), "the way to the batch that is undone");
    assert_eq!(bench.apply(&undo, "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(bench.applied().await, 3);
    assert!(bench.browser.get(&next).await.text().contains("この処理は取り消されています"));
    let undone = bench.browser.get(&undo).await.text();
    assert!(!undone.contains(&format!("{undo}/undo")), "an undo is not undone: {undone}");

    let auditor = Browser::signed_in(&bench.world, &bench.console, Role::Auditor).await;
    assert_eq!(auditor.get(&format!("{next}/undo")).await.status, StatusCode::FORBIDDEN);
    assert!(!auditor.get(&next).await.text().contains("/undo"));
}

fn known(number: &str) -> Stored<Account> {
    let attributes = Attributes {
        staff_number: StaffNumber::new(number).unwrap(),
        name: "髙橋　花子".to_owned(),
        kana: None,
        mail: None,
        title: None,
        employment: None,
        term_ends: None,
        temporary_until: None,
        born: None,
        hired: None,
        departments: Vec::new(),
    };
    let account = Account {
        id: AccountId::make(Timestamp::UNIX_EPOCH, &mut rand::rngs::OsRng),
        source: SourceName::new("知事部局").unwrap(),
        history: vec![Dated { from: Timestamp::UNIX_EPOCH, value: attributes }],
        state: AccountState::Active,
        state_since: Timestamp::UNIX_EPOCH,
        wishes_seat: false,
        seat: None,
        created_at: Timestamp::UNIX_EPOCH,
        returned_at: None,
        signed_in_at: None,
        code_issued_at: None,
        absences: Vec::new(),
        number_passed: None,
    };
    Stored { version: Version(1), value: account }
}

#[tokio::test]
async fn rejected_rows_are_mended_on_their_page_and_what_is_wrong_is_said_beside_the_file() {
    let bench = Bench::new().await;
    let plan = bench.plan(NEXT).await;
    let lines = bench.browser.get(&format!("{plan}?kind=rejected")).await.text();
    assert!(lines.contains(&format!("href=\"{plan}/mend\"")), "{lines}");
    let back = bench.browser.get(&format!("{plan}/rejected")).await.text();
    assert!(back.contains("005,'=1+1,総務課,×,却下: "), "{back}");

    let mend = format!("{plan}/mend");
    let form = bench.browser.get(&mend).await.text();
    assert!(form.contains("却下の1行を直して"), "{form}");
    let empty = bench.browser.post_file(&mend, &[], "", b"").await;
    for (answer, said) in [
        (empty, "ファイルを選んでください"),
        (
            bench.browser.post_file(&mend, &[], "四月.csv", NEXT.as_bytes()).await,
            "却下の行のファイルではありません",
        ),
    ] {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    let done =
        bench.browser.post_file(&mend, &[], "rejected.csv", back.replace("'=1+1", "森五郎").as_bytes()).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let whole = bench.browser.get(&done.location).await.text();
    assert!(whole.contains("直した行を加えました") && whole.contains(&format!("href=\"{plan}\"")), "{whole}");
    let older = bench.browser.get(&format!("{plan}?kind=rejected")).await.text();
    assert!(older.contains("差し替えられました") || older.contains(&done.location), "{older}");
    assert!(!older.contains(&format!("href=\"{plan}/mend\"")), "an ended plan takes no rows: {older}");
}

#[tokio::test]
async fn beside_a_row_that_is_possibly_another_person_it_is_said_who_it_is() {
    let bench = Bench::new().await;
    let file = |who: &str| format!("職員番号,氏名,フリガナ,生年月日,所属,利用\n007,{who},税務課,○\n");
    let first = bench.plan(&file("佐藤花子,サトウハナコ,1965/5/1")).await;
    bench.apply(&first, "").await;
    let old = bench.world.account("007").await.id;
    let next = bench.plan(&file("鈴木一,スズキハジメ,2004/9/30")).await;
    let lines = bench.browser.get(&format!("{next}?kind=rejected")).await.text();
    for said in ["別の人かもしれません", "同じ人として扱う", &format!("href=\"/accounts/{old}\"")]
    {
        assert!(lines.contains(said), "{said}: {lines}");
    }
    let decided = format!("{next}/decided");
    let refused = bench.browser.post(&decided, &[("row", "9"), ("whose", "same")]).await;
    assert_eq!(refused.location, format!("{next}?kind=rejected#lines"));
    let why = bench.browser.get(&next).await.text();
    assert!(why.contains("9行目は、同じ人かどうかを選ぶ行ではありません"), "{why}");
    let done = bench.browser.post(&decided, &[("row", "2"), ("whose", "another")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let plan = done.location.split('?').next().unwrap();
    assert_ne!(plan, next);
    let shown = bench.browser.get(plan).await.text();
    assert!(
        shown.contains("選んだ内容で作り直しました") && shown.contains("前にこの番号だった人"),
        "{shown}"
    );
    let second = Browser::signed_in(&bench.world, &bench.console, Role::Owner).await;
    assert_eq!(approve(&second, plan, "1").await.status, StatusCode::SEE_OTHER);
    bench.apply(plan, "1").await;
    let person = bench.browser.get(&format!("/accounts/{old}")).await.text();
    assert!(person.contains("007(旧番号)") && person.contains("いまは別の人のものです"), "{person}");
    let list = bench.browser.get("/accounts?q=007").await.text();
    assert!(list.contains("鈴木一") && list.contains("旧番号"), "{list}");
    let auditor = Browser::signed_in(&bench.world, &bench.console, Role::Auditor).await;
    let refused = auditor.post(&decided, &[("row", "2"), ("whose", "same")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_delimiter_that_is_found_wrong_is_overruled_on_the_form() {
    let bench = Bench::new().await;
    // One header is a list with commas in it: as many known words stand between them as between the semicolons.
    let file = "職員番号;氏名;所属;\"利用,フリガナ,職名,メール\"\n001;髙橋太郎;総務課;○\n";
    let upload = async |delimiter: &str| {
        let fields = [("source", "知事部局"), ("mode", "upsert"), ("delimiter", delimiter)];
        bench.browser.post_file("/batches/new", &fields, "四月.csv", file.as_bytes()).await
    };
    for wrong in ["", "comma", "blank"] {
        assert_eq!(upload(wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
    }
    let answer = upload("semicolon").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let page = bench.browser.get(&format!("{}?kind=join", answer.location)).await.text();
    assert!(page.contains("髙橋太郎") && page.contains("<dd>セミコロン</dd>"), "{page}");
}

#[tokio::test]
async fn what_a_column_is_is_asked_remembered_shown_and_forgotten() {
    let bench = Bench::new().await;
    let file = "個人番号,氏名,所属,補足\n001,髙橋太郎,総務課,主査\n";
    let refused = bench.upload(file.as_bytes()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = refused.text();
    assert!(
        form.contains("name=\"header-0\" value=\"個人番号\"") && form.contains("value=\"staff-number\""),
        "{form}"
    );

    let base =
        [("source", "知事部局"), ("mode", "roster"), ("header-0", "個人番号"), ("column-0", "staff-number")];
    let both = [("header-1", "補足"), ("column-1", "staff-number")];
    let twice = bench
        .browser
        .post_file("/batches/new", &[&base[..], &both].concat(), "四月.csv", file.as_bytes())
        .await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.text().contains("「個人番号」と「補足」が、どちらも職員番号の列です"), "{}", twice.text());
    assert!(twice.text().contains("value=\"staff-number\" selected"), "what was chosen stays");

    let first = bench.browser.post_file("/batches/new", &base, "四月.csv", file.as_bytes()).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text());
    let page = bench.browser.get(&first.location).await.text();
    assert!(page.contains("このファイルで指定") && page.contains("「補足」の列"), "{page}");

    // The next file is read so without a word; from its page the rest is said, and a new plan takes its place.
    bench.world.clock.advance(SignedDuration::from_mins(1));
    let second = bench.plan(file).await;
    let page = bench.browser.get(&second).await.text();
    assert!(page.contains("の指定を使用") && !page.contains("このファイルで指定"), "{page}");
    let title = [("header-1", "補足"), ("column-1", "title")];
    let third = bench
        .browser
        .post_file("/batches/new", &[&base[..], &title].concat(), "四月.csv", file.as_bytes())
        .await;
    let page = bench.browser.get(&format!("{}?kind=join", third.location)).await.text();
    assert!(page.contains("髙橋太郎") && page.contains("<td data-label=\"項目\"><div>職名"), "{page}");
    assert!(bench.browser.get(&second).await.text().contains("新しい計画"), "replaced");

    // A known header is overruled in sight only.
    let name = [("header-1", "補足"), ("column-1", "name"), ("header-2", "氏名"), ("column-2", "ignored")];
    let odd = bench
        .browser
        .post_file("/batches/new", &[&base[..], &name].concat(), "四月.csv", file.as_bytes())
        .await;
    let page = bench.browser.get(&odd.location).await.text();
    assert!(page.contains("見出しのとおりなら氏名"), "{page}");

    let forget = format!("{}/columns/forget", odd.location);
    let auditor = Browser::signed_in(&bench.world, &bench.console, Role::Auditor).await;
    assert_eq!(auditor.post(&forget, &[("header", "個人番号")]).await.status, StatusCode::FORBIDDEN);
    let done = bench.browser.post(&forget, &[("header", "個人番号")]).await;
    assert_eq!(done.location, format!("{}#columns", odd.location));
    let again = bench.upload(file.as_bytes()).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "the number's column is unknown again");
    let journal = bench.world.journal().await;
    let noted = |what| journal.iter().filter(|entry| entry.body().unwrap().what == what).count();
    assert_eq!((noted(Happening::ColumnsAssigned), noted(Happening::ColumnsForgotten)), (3, 1));
    let facts: Vec<String> =
        journal.iter().flat_map(|entry| entry.body().unwrap().facts).map(|(_, value)| value).collect();
    assert!(
        !facts.iter().any(|value| value.contains("補足") || value.contains("個人番号")),
        "headers are not in the journal"
    );
}
