//! The console, as people use it in a browser and as attackers speak to it.

mod april;
mod browser;
mod confinement;
mod crawl;
mod difference;
mod forgery;
mod looks;
mod office;
mod roles;
mod sign_in;
mod story;

use e2e::browser::Browser;
use e2e::web::Web;
use e2e::world::{Operator, Site};

/// A client in a session of an operator.
fn signed_in(site: &Site, operator: &Operator) -> Web {
    let web = Web::new(site).unwrap();
    web.sign_in(operator).unwrap();
    web
}

/// A browser in a session of an operator, in Japanese, at the first page.
fn sign_in_at(browser: &Browser, site: &Site, operator: &Operator) {
    browser.go(&format!("{}/sign-in", site.console())).unwrap();
    browser.fill("管理者名", &operator.name).unwrap();
    browser.fill("パスワード", &operator.password).unwrap();
    browser.fill("確認コード", &operator.code().unwrap()).unwrap();
    browser.click("サインインする").unwrap();
    browser.see("サインアウト").unwrap();
}
