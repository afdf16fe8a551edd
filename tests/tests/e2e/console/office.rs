//! A prefecture in the middle of its year: people, phones in every state, operators of every role. For the tests that look
//! at all pages.

use e2e::roster::{Encoding, FIRST_YEAR, RosterSpec, Row, encode, generate};
use e2e::world::{MailServer, Offer, Operator, Person, Phone, RunningPhone, World, wait};
use serde_json::Value;

use crate::prepared::{PIN, SOURCE};

const PEOPLE: usize = 360;
const SEATS: &str = "180";

/// The prefecture.
pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) owner: Operator,
    pub(crate) helpdesk: Operator,
    pub(crate) auditor: Operator,
    /// Everybody who can sign in or is invited, as the API lists them.
    pub(crate) operators: Vec<Value>,
    /// Path of an invitation that is open.
    pub(crate) invitation: String,
    /// Somebody whose phone is switched on and unlocked.
    pub(crate) reached: Holder,
    /// Somebody whose phone is blocked and off, and at which somebody has tried a PIN.
    pub(crate) blocked: Holder,
    /// Somebody whose phone was wiped while it was off.
    pub(crate) lost: Holder,
    /// Somebody whose phone has confirmed its wipe.
    pub(crate) erased: Holder,
    /// The batch that is in force.
    pub(crate) applied: String,
    /// The first file of the year after, in whose place the next has come.
    pub(crate) replaced: String,
    /// The batch of the year after, planned and not applied.
    pub(crate) planned: String,
    /// The undo of the batch in force for one department, planned and not applied.
    pub(crate) undo: String,
    /// A document that is published.
    pub(crate) document: String,
    _running: RunningPhone,
    _mail_server: MailServer,
}

/// Somebody with a phone.
pub(crate) struct Holder {
    pub(crate) person: Person,
    pub(crate) phone: Phone,
    pub(crate) device: String,
}

impl Office {
    pub(crate) fn new() -> Self {
        let mail_server = MailServer::running(Offer::Starttls).unwrap();
        let mut world = World::prepared().unwrap();
        world.edit_config(|config| config.mail = Some(mail_server.config())).unwrap();
        world.start().unwrap();
        let owner = world.owner().unwrap();
        let helpdesk = world.operator("tanaka", "helpdesk").unwrap();
        let auditor = world.operator("sato.kansa", "auditor").unwrap();
        world.operator("suzuki", "operator").unwrap();
        world.mdmctl(&["licenses", "pool", "set", SEATS]).unwrap();
        let applied = upload(&world, FIRST_YEAR, generate);
        world.apply(&applied).unwrap();

        let mut codes = world.codes().unwrap();
        mailed(&world, &mail_server, &applied);
        let mut holder = |name: &str| enrolled(&world, name, codes.pop().unwrap());
        let (reached, blocked, lost, erased) =
            (holder("reached"), holder("blocked"), holder("lost"), holder("erased"));
        let order = |holder: &Holder, what: &str, why: &str| {
            world.mdmctl(&["devices", what, &holder.device, "--reason", why]).unwrap();
        };
        blocked.phone.try_unlock("000000000").unwrap().expect_failure("a wrong PIN").unwrap();
        order(&blocked, "block", "出張先で紛失した可能性");
        order(&lost, "block", "タクシーに置き忘れ");
        order(&lost, "wipe", "タクシーに置き忘れ");
        order(&erased, "wipe", "機種変更のため返却");
        erased.phone.sync().unwrap();
        wait::until("the receipt", || is_erased(&world, &erased).then_some(())).unwrap();
        noticed(&world);
        ending(&world);
        let who = reached.person.account.to_string();
        world
            .mdmctl(&["accounts", "absence", &who, "--from", "2027-05-10", "--until", "2027-06-30"])
            .unwrap();
        let running = reached.phone.run().unwrap();
        reached.phone.unlock(PIN).unwrap();
        let replaced = upload(&world, FIRST_YEAR + 1, draft);
        let planned = upload(&world, FIRST_YEAR + 1, generate);
        let undo = undo_of_a_department(&world, &applied);
        let document = publish(&world);
        let link = world.invite("mori", "operator").unwrap();
        let invitation = link[link.find("/invitation/").unwrap()..].to_owned();
        let operators = world.operators().unwrap();
        Self {
            world,
            owner,
            helpdesk,
            auditor,
            operators,
            invitation,
            reached,
            blocked,
            lost,
            erased,
            applied,
            replaced,
            planned,
            undo,
            document,
            _running: running,
            _mail_server: mail_server,
        }
    }
}

/// Codes by mail to the first people of a batch: some mails were taken, some refused, some put off.
fn mailed(world: &World, server: &MailServer, batch: &str) {
    const ANSWERS: [Option<&str>; 9] = [
        None,
        None,
        Some("550 5.1.1 no such mailbox"),
        None,
        Some("451 4.7.1 come back later"),
        None,
        None,
        Some("550 5.1.1 no such mailbox"),
        Some("451 4.7.1 come back later"),
    ];
    let list =
        || world.mdmctl(&["batch", "mail", "list", batch]).unwrap()["items"].as_array().unwrap().clone();
    let number = |item: &Value| item["staff_number"].as_str().unwrap().to_owned();
    let everybody = list();
    let numbers: Vec<String> = everybody
        .iter()
        .filter(|item| item["state"] == "not_asked")
        .map(number)
        .take(ANSWERS.len())
        .collect();
    for (number, answer) in numbers.iter().zip(ANSWERS) {
        if answer.is_some() {
            let shown = world.mdmctl(&["accounts", "show", number]).unwrap();
            server.answers(shown["mail"].as_str().unwrap(), answer).unwrap();
        }
    }
    world.mdmctl(&["batch", "mail", "send", batch, "--only", &numbers.join(",")]).unwrap();
    let is_tried = |item: &Value| item["state"] != "queued" || item["tries"] != 0;
    wait::until("each mail was tried", || {
        let found = list();
        let mut asked = found.iter().filter(|item| numbers.contains(&number(item)));
        asked.all(is_tried).then_some(())
    })
    .unwrap();
}

/// Seats that nobody has used: of one it was said that it will be taken, and one serves nobody any more.
fn noticed(world: &World) {
    let reclaim =
        ["licenses", "reclaim", "--never-signed-in", "0", "--at-most", "1", "--grace", "14", "--notice"];
    for days in ["7", "0"] {
        world.mdmctl(&[&reclaim[..], &[days]].concat()).unwrap();
    }
}

/// People whose term ends, and a list of temporary ones.
fn ending(world: &World) {
    let staff = "職員番号,氏名,所属,任期満了日,利用\nK101,青木陽子,出納局 会計課,2027-03-31,○\n\
        K102,石川恵,県税事務所 収納課,2027-03-31,○\nK103,上田直樹,保健所 生活衛生課,2027-03-31,\n";
    let file = world.file("kaikei.csv", staff.as_bytes()).unwrap();
    let batch = world.upload(file.to_str().unwrap(), "会計年度任用職員", "roster").unwrap();
    world.apply(&batch).unwrap();
    let next = "職員番号,氏名,所属,任期満了日,利用\nK101,青木陽子,出納局 会計課,2028-03-31,○\n";
    let next = world.file("kaikei-next.csv", next.as_bytes()).unwrap();
    world.upload(next.to_str().unwrap(), "会計年度任用職員", "upsert").unwrap();
    let support = "職員番号,氏名,所属,利用\nZ1,遠藤誠,避難所運営,○\nZ2,大野光,避難所運営,○\n";
    let file = world.file("ouen.csv", support.as_bytes()).unwrap();
    let upload = [
        "batch",
        "upload",
        file.to_str().unwrap(),
        "--source",
        "応援職員",
        "--temporary-until",
        "2099-03-31",
    ];
    let batch = world.mdmctl(&upload).unwrap();
    world.apply(batch["id"].as_str().unwrap()).unwrap();
}

/// A year's staff with mistakes: some are missing, some stand elsewhere, and somebody is in it by mistake.
fn draft(spec: &RosterSpec) -> Vec<Row> {
    let mut rows = generate(spec);
    rows.truncate(rows.len() - 3);
    let mut by_mistake = rows[0].clone();
    (by_mistake.number, by_mistake.mail) = ("990002".to_owned(), String::new());
    rows.push(by_mistake);
    for row in rows.iter_mut().step_by(70) {
        row.department = "総務部 人事課 給与係".to_owned();
        row.title = "主査".to_owned();
    }
    rows
}

/// The staff of a year, with a line that names nobody.
fn upload(world: &World, year: u16, staff: impl Fn(&RosterSpec) -> Vec<Row>) -> String {
    let rows = staff(&RosterSpec::new(11, PEOPLE, year));
    let mut bytes = encode(&rows, Encoding::Cp932).unwrap();
    let (line, _, _) = encoding_rs::SHIFT_JIS.encode("990001,,シメイナシ,総務部 人事課,主事,正規,,○\r\n");
    bytes.extend_from_slice(&line);
    let file = world.file(format!("shokuin-{year}.csv"), &bytes).unwrap();
    world.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap()
}

/// For whom a batch went wrong, of those whom it has taken up.
fn undo_of_a_department(world: &World, batch: &str) -> String {
    let accounts = world.accounts(SOURCE).unwrap();
    let department = accounts[0]["departments"][0]["name"].as_str().unwrap();
    let undo = world.mdmctl(&["batch", "undo", batch, "--department", department]).unwrap();
    undo["id"].as_str().unwrap().to_owned()
}

/// Two documents; the one that departments read is given.
fn publish(world: &World) -> String {
    let publish = |name: &str, size: usize, more: &[&str]| {
        let file = world.file(name, &vec![b'x'; size]).unwrap();
        let file = file.to_str().unwrap();
        let published = world.mdmctl(&[&["documents", "publish", file], more].concat()).unwrap();
        published["id"].as_str().unwrap().to_owned()
    };
    publish("運転免許証の更新について.pdf", 40_000, &["--level", "1", "--organisation"]);
    let departments = ["--department", "総務部", "--department", "福祉保健部", "--department", "農林水産部"];
    let title =
        ["--level", "2", "--title", "避難所運営マニュアル(令和9年度改訂版)", "--folder", "防災/手引き"];
    publish("manual.pdf", 3_400_000, &[&title[..], &departments].concat())
}

fn is_erased(world: &World, holder: &Holder) -> bool {
    let device = world.device(&holder.device).unwrap();
    device["wipe"]["erased_at"].is_string()
}

/// Somebody who has enrolled a phone and signed in; it is switched off.
pub(crate) fn enrolled(world: &World, name: &str, person: Person) -> Holder {
    let phone = world.phone(name).of_model("職員用スマートフォン");
    phone.enrol(&person.code, PIN).unwrap();
    phone.unlock(PIN).unwrap();
    let devices = world.devices().unwrap();
    let is_theirs = |device: &&Value| {
        device["account"]["id"] == person.account.as_str() || device["account"] == person.account.as_str()
    };
    let device =
        devices.iter().find(is_theirs).unwrap_or_else(|| panic!("no device of {person:?} in {devices:?}"));
    let device = device["id"].as_str().unwrap().to_owned();
    Holder { person, phone, device }
}
