//! The way in and its end: each code once, one answer for whatever was wrong, limits, sessions that end.

use e2e::browser::{Browser, Options};
use e2e::web::Web;
use e2e::world::{LocalWorld, World};
use jiff::SignedDuration;

/// What the sign-in page says, in Japanese.
const WRONG: &str = "管理者名、パスワード、確認コードのいずれかが違います";
const WAIT: &str = "試行回数が多い";

#[test]
fn the_first_owner_comes_in_through_the_invitation_that_init_wrote() {
    let world = World::new().unwrap();
    let link = std::fs::read_to_string(world.secrets().join("owner.invitation")).unwrap();
    let path = &link.trim()[link.find("/invitation/").unwrap()..];
    let browser = Browser::open(Options::default()).unwrap();
    browser.go(&format!("{}{path}", world.console())).unwrap();
    browser.see("管理者の登録").unwrap();
    let secret = browser.script("return document.getElementById('totp-secret').innerText", vec![]).unwrap();
    let owner = e2e::world::Operator::new("owner", secret.as_str().unwrap()).unwrap();

    browser.fill("新しいパスワード", &owner.password).unwrap();
    browser.fill("新しいパスワード(もう一度)", "another one entirely").unwrap();
    browser.fill("確認コード", &owner.code().unwrap()).unwrap();
    browser.click("登録する").unwrap();
    browser.see("2つのパスワードが一致しません").unwrap();

    browser.fill("新しいパスワード", &owner.password).unwrap();
    browser.fill("新しいパスワード(もう一度)", &owner.password).unwrap();
    browser.fill("確認コード", &owner.code().unwrap()).unwrap();
    browser.click("登録する").unwrap();

    browser.see("サインイン").unwrap();
    browser.fill("管理者名", &owner.name).unwrap();
    browser.fill("パスワード", &owner.password).unwrap();
    browser.fill("確認コード", &owner.code().unwrap()).unwrap();
    browser.click("サインインする").unwrap();
    browser.see("サインアウト").unwrap();
    assert_eq!(browser.address().unwrap().path(), "/");

    browser.go(&format!("{}{path}", world.console())).unwrap();
    browser.see("この招待は使えません").unwrap();
}

#[test]
fn a_code_signs_in_once() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let code = owner.code().unwrap();
    let sign_in = || Web::new(&world).unwrap().try_sign_in(&owner.name, &owner.password, &code).unwrap();
    sign_in().expect(303).unwrap();
    let again = sign_in().expect(422).unwrap();
    assert!(again.body.contains(WRONG));
}

#[test]
fn name_password_and_code_are_wrong_in_one_voice() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let web = Web::new(&world).unwrap();
    let (name, password, code) = (owner.name.as_str(), owner.password.as_str(), owner.code().unwrap());
    let wrong_code = if code == "000000" { "000001" } else { "000000" };
    let answers = [
        web.try_sign_in("nobody", password, &code).unwrap(),
        web.try_sign_in(name, "not the password", &code).unwrap(),
        web.try_sign_in(name, password, wrong_code).unwrap(),
    ];
    for answer in answers {
        let answer = answer.expect(422).unwrap();
        assert!(answer.body.contains(WRONG), "{}", answer.body);
        assert_eq!(answer.header("set-cookie"), "", "nobody is signed in");
    }
    web.try_sign_in(name, password, &code).unwrap().expect(303).unwrap();
}

#[test]
fn guessing_is_slowed_down_for_one_name_and_not_for_another() {
    let world = World::new().unwrap();
    let (owner, other) = (world.owner().unwrap(), world.operator("tanaka", "helpdesk").unwrap());
    let web = Web::new(&world).unwrap();
    let refused = (0..20).find_map(|n| {
        let answer = web.try_sign_in(&owner.name, &format!("guess number {n}"), "123456").unwrap();
        (answer.status != 422).then_some(answer)
    });
    let refused = refused.expect("twenty guesses in a row are too many").expect(429).unwrap();
    assert!(refused.body.contains(WAIT), "{}", refused.body);
    let right = web.try_sign_in(&owner.name, &owner.password, &owner.code().unwrap()).unwrap();
    assert_eq!(right.status, 429, "the right password is not looked at either");
    web.sign_in(&other).unwrap();
}

#[test]
fn the_session_is_in_a_cookie_that_no_script_and_no_other_site_gets() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let web = Web::new(&world).unwrap();
    let answer = web.try_sign_in(&owner.name, &owner.password, &owner.code().unwrap()).unwrap();
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    let attributes: Vec<String> = cookie.split(';').skip(1).map(|part| part.trim().to_lowercase()).collect();
    for attribute in ["httponly", "secure", "samesite=strict", "path=/"] {
        assert!(attributes.iter().any(|has| has == attribute), "{attribute} in {attributes:?}");
    }
    assert!(!attributes.iter().any(|attribute| attribute.starts_with("domain")), "{attributes:?}");
}

#[test]
fn a_session_ends_at_the_sign_out_also_for_who_copied_its_cookie() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let web = Web::new(&world).unwrap();
    web.sign_in(&owner).unwrap();
    let copied = format!("__Host-session={}", web.cookie("__Host-session").unwrap());
    let thief = Web::new(&world).unwrap();
    let open = || thief.send("GET", "/", &[("cookie", &copied)], &[]).unwrap();
    open().expect(200).unwrap();
    web.post("/sign-out", &[("csrf", &web.csrf().unwrap())]).unwrap().expect(303).unwrap();
    assert!(open().expect(303).unwrap().location().starts_with("/sign-in"));
}

#[test]
fn a_session_ends_when_nobody_asks_and_at_the_end_of_the_day() {
    let world = LocalWorld::new().unwrap();
    let owner = world.owner().unwrap();
    let minutes = |minutes| world.clock().advance(SignedDuration::from_mins(minutes));
    let sign_in = || {
        let web = Web::new(&world).unwrap();
        let code = owner.code_at(mdm_server::clock::Clock::now(world.clock())).unwrap();
        web.try_sign_in(&owner.name, &owner.password, &code).unwrap().expect(303).unwrap();
        web
    };

    let idle = sign_in();
    minutes(29);
    idle.get("/").unwrap().expect(200).unwrap();
    minutes(29);
    let by_itself = idle.send("GET", "/", &[("x-live", "1")], &[]).unwrap();
    by_itself.expect(200).unwrap();
    minutes(2);
    let by_itself = idle.send("GET", "/", &[("x-live", "1")], &[]).unwrap();
    by_itself.expect(401).unwrap();
    assert!(idle.get("/").unwrap().expect(303).unwrap().location().starts_with("/sign-in"));

    let busy = sign_in();
    for _ in 0..29 {
        minutes(20);
        busy.get("/").unwrap().expect(200).unwrap();
    }
    minutes(20);
    busy.get("/").unwrap().expect(303).unwrap();
}
